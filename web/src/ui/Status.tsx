import { CircleAlert, CircleCheck, CircleDashed, OctagonX } from "lucide-react";
import type { ReactNode } from "react";
import classes from "./Status.module.css";

export type Tone = "ok" | "attention" | "stopped" | "quiet";

const icons = { ok: CircleCheck, attention: CircleAlert, stopped: OctagonX, quiet: CircleDashed };

/** Status says one of three meanings, or none yet, in colour, shape and words together. */
export function Status({ tone, children }: { tone: Tone; children: ReactNode }) {
  const Icon = icons[tone];
  return (
    <span className={classes.status} data-tone={tone}>
      <Icon size={14} strokeWidth={2.2} aria-hidden />
      <span>{children}</span>
    </span>
  );
}
