import { Tooltip, VisuallyHidden } from "@mantine/core";
import { CopyIcon } from "./CopyButton";
import { shortenKey } from "./format";
import classes from "./Key.module.css";

/** Key shows a long key by its two ends; the whole of it on hover, to screen readers and to the clipboard. */
export function Key({ value, what }: { value: string; what: string }) {
  return (
    <span className={classes.key}>
      <Tooltip label={<span className={classes.whole}>{value}</span>} maw={420}>
        <span aria-hidden className={classes.short}>
          {shortenKey(value)}
        </span>
      </Tooltip>
      <VisuallyHidden>{value}</VisuallyHidden>
      <CopyIcon text={value} what={what} />
    </span>
  );
}
