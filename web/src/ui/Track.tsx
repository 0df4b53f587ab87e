import { CircleCheck, CircleDashed, CircleDot } from "lucide-react";
import classes from "./Track.module.css";

type TrackProps = {
  label: string;
  steps: string[];
  /** The step one is at, from 0; all before it are done. */
  current: number;
};

/** Track shows where one is in an act of several steps. */
export function Track({ label, steps, current }: TrackProps) {
  return (
    <ol className={classes.track} aria-label={label}>
      {steps.map((step, index) => {
        const state = index < current ? "done" : index === current ? "current" : "ahead";
        const Icon = { done: CircleCheck, current: CircleDot, ahead: CircleDashed }[state];
        return (
          <li key={step} data-state={state} aria-current={state === "current" ? "step" : undefined}>
            <Icon size={16} aria-hidden />
            <span>{step}</span>
          </li>
        );
      })}
    </ol>
  );
}
