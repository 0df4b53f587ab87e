import type { ReactNode } from "react";
import classes from "./Facts.module.css";

type FactsProps = {
  items: [name: string, value: ReactNode][];
  /** Values are numbers, which align right. */
  numeric?: boolean;
  /** Names are code. */
  mono?: boolean;
};

/** Facts is a list of names and values; one column where the screen is narrow. */
export function Facts({ items, numeric, mono }: FactsProps) {
  return (
    <dl className={classes.facts} data-numeric={numeric} data-mono={mono}>
      {items.map(([name, value]) => (
        <div key={name} className={classes.fact}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
