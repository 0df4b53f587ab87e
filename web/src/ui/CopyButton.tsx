import { ActionIcon, Button, type ButtonProps, Tooltip, VisuallyHidden } from "@mantine/core";
import { Check, Copy } from "lucide-react";
import { useEffect, useState } from "react";

const shownFor = 1500;

function useCopied(text: string, onCopied?: () => void) {
  const [state, setState] = useState<"idle" | "copied" | "failed">("idle");
  useEffect(() => {
    if (state === "idle") return;
    const timer = setTimeout(() => setState("idle"), shownFor);
    return () => clearTimeout(timer);
  }, [state]);
  const copy = async () => {
    const copied = await copyText(text);
    setState(copied ? "copied" : "failed");
    if (copied) onCopied?.();
  };
  return { state, copy };
}

/** copyText also works on a page without HTTPS, where browsers hide the clipboard API. */
async function copyText(text: string): Promise<boolean> {
  if (navigator.clipboard) {
    return navigator.clipboard.writeText(text).then(
      () => true,
      () => false,
    );
  }
  const area = document.createElement("textarea");
  area.value = text;
  area.style.position = "fixed";
  area.style.opacity = "0";
  // Inside an open dialog: its focus trap would take the selection back.
  const host = document.activeElement?.parentElement ?? document.body;
  host.append(area);
  area.select();
  const copied = document.execCommand("copy");
  area.remove();
  return copied;
}

const words = { idle: "", copied: "Copied", failed: "Could not copy: select the text instead" };

/** CopyIcon is the small copy button beside a key or in a code block. `what` completes "Copy …". */
export function CopyIcon({ text, what, onCopied }: { text: string; what: string; onCopied?: () => void }) {
  const { state, copy } = useCopied(text, onCopied);
  return (
    <>
      <Tooltip label={words[state] || `Copy ${what}`} opened={state === "idle" ? undefined : true}>
        <ActionIcon variant="subtle" color="gray" size="sm" aria-label={`Copy ${what}`} onClick={() => void copy()}>
          {state === "copied" ? <Check size={14} /> : <Copy size={14} />}
        </ActionIcon>
      </Tooltip>
      <VisuallyHidden aria-live="polite">{words[state]}</VisuallyHidden>
    </>
  );
}

/** CopyButton is the same with words. */
export function CopyButton({
  text,
  children,
  onCopied,
  ...rest
}: { text: string; children: string; onCopied?: () => void } & ButtonProps) {
  const { state, copy } = useCopied(text, onCopied);
  return (
    <Button
      variant="default"
      leftSection={state === "copied" ? <Check size={16} /> : <Copy size={16} />}
      {...rest}
      onClick={() => void copy()}
    >
      <span aria-live="polite">{state === "idle" ? children : words[state]}</span>
    </Button>
  );
}
