import type { BrokerDisk, Retirement } from "../../api/accounts";
import { formatBytes, plural } from "../../ui/format";
import type { Tone } from "../../ui/Status";

/** storedWords says what goes when the account is purged: "3 streams with 1,200 messages, 1.5 MiB, are erased then." */
export function storedWords({ streams, brokers_answered, brokers_asked }: Retirement): string {
  const whole =
    brokers_answered < brokers_asked
      ? ` Only ${brokers_answered} of ${plural(brokers_asked, "broker")} answered, so there may be more.`
      : "";
  if (streams.length === 0) return `Nothing is stored in it.${whole}`;
  const messages = streams.reduce((sum, stream) => sum + stream.messages, 0);
  const bytes = streams.reduce((sum, stream) => sum + stream.bytes, 0);
  return `${plural(streams.length, "stream")} with ${plural(messages, "message")}, ${formatBytes(bytes)}, ${
    streams.length === 1 ? "is" : "are"
  } erased when it is purged.${whole}`;
}

/** The steps of a retirement, in their order. */
export const phases = ["frozen", "draining", "purging", "verifying", "done"] as const;

export const phaseNames = ["Nobody gets in", "Connections end", "Data is erased", "Brokers confirm", "Gone"];

/** stepOf is how far a retirement has come: all of the steps when it is done. */
export function stepOf(phase: Retirement["phase"]): number {
  if (phase === "done") return phases.length;
  return phases.findIndex((candidate) => candidate === phase);
}

const diskStates: Record<BrokerDisk["state"], { tone: Tone; words: string }> = {
  kept: { tone: "quiet", words: "Keeps it until the purge" },
  waiting: { tone: "attention", words: "Has not looked yet" },
  erasing: { tone: "attention", words: "Erasing" },
  erased: { tone: "ok", words: "Nothing left" },
  unverified: { tone: "quiet", words: "Told; its disk cannot be looked at" },
};

export function diskWords(disk: BrokerDisk): { tone: Tone; words: string } {
  if (disk.error !== null) return { tone: "stopped", words: `${disk.error}; it goes on trying` };
  return diskStates[disk.state];
}
