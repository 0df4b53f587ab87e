import type { SimulationDecision, SimulationStep } from "../../api/simulation";
import type { Tone } from "../../ui/Status";

const checks: Record<string, string> = {
  credential: "Credential",
  account: "Account",
  role: "Role",
  delegation: "Role's key",
  bearer: "JWT alone",
  connection_type: "Connection type",
  proof: "Proof of the seed",
  revocation: "Revocation",
  network: "Network",
  hours: "Time of day",
  limits: "Limits",
  mapping: "Mapping",
  publish: "Publish",
  subscribe: "Subscribe",
  filter: "Filter",
};

/** checkName is for people; a check that came later shows by its own name. */
export function checkName(check: string): string {
  return checks[check] ?? check;
}

export const outcomes: Record<SimulationStep["outcome"], { tone: Tone; words: string }> = {
  passed: { tone: "ok", words: "Passed" },
  refused: { tone: "stopped", words: "Refused" },
  assumed: { tone: "quiet", words: "Taken for granted" },
};

const lists: [pattern: RegExp, words: string][] = [
  [/\/publish\/allow/, "May publish to"],
  [/\/publish\/deny/, "Never publish to"],
  [/\/subscribe\/allow/, "May subscribe to"],
  [/\/subscribe\/deny/, "Never subscribe to"],
  [/\/responses/, "May answer requests"],
];

/** decisionWords says which setting decided, as the forms call it: "the role's “Never publish to”: orders.>". */
export function decisionWords({ source, pointer, rule, subject }: SimulationDecision): string {
  const list = lists.find(([pattern]) => pattern.test(pointer))?.[1] ?? pointer;
  const setting = `the ${source}'s “${list}”`;
  if (rule === "") return `${setting} has nothing that matches`;
  return subject !== "" && subject !== rule ? `${setting}: ${rule}, here ${subject}` : `${setting}: ${rule}`;
}
