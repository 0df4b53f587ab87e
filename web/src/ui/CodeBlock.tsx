import { CopyIcon } from "./CopyButton";
import classes from "./CodeBlock.module.css";

type CodeBlockProps = {
  /** What the code is: "Go program", for screen readers and the copy button. */
  label: string;
  code: string;
  testId?: string;
  /** Rows that stay visible before it scrolls; all of them when absent. */
  maxRows?: number;
  onCopied?: () => void;
};

export function CodeBlock({ label, code, testId, maxRows, onCopied }: CodeBlockProps) {
  return (
    <div className={classes.block}>
      {/* A scrolling region has to be reachable by keyboard. */}
      <pre
        className={classes.pre}
        tabIndex={0}
        role="region"
        aria-label={label}
        style={maxRows ? { maxHeight: `${maxRows * 1.55 + 2}em` } : undefined}
      >
        <code data-testid={testId}>{code}</code>
      </pre>
      <div className={classes.copy}>
        <CopyIcon text={code} what={label} onCopied={onCopied} />
      </div>
    </div>
  );
}
