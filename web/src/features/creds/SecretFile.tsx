import { Button, Group, Stack, Text } from "@mantine/core";
import { Download, QrCode } from "lucide-react";
import { lazy, Suspense, useState } from "react";
import { CodeBlock } from "../../ui/CodeBlock";
import { CopyButton } from "../../ui/CopyButton";
import { Notice } from "../../ui/Notice";
import { downloadFile } from "./download";

const Qr = lazy(() => import("./Qr"));

type SecretFileProps = {
  fileName: string;
  content: string;
  /** Told when the person has taken the file with them, one way or another. */
  onSaved?: () => void;
};

/** SecretFile shows a creds file, this once. It holds the secret in its props and leaves it nowhere. */
export function SecretFile({ fileName, content, onSaved }: SecretFileProps) {
  const [qr, setQr] = useState(false);
  return (
    <Stack gap="sm">
      <Notice tone="attention">
        This is the only time we can show you this file: we keep no copy of the seed in it. Save it now; if it is lost,
        issue another and revoke this one.
      </Notice>
      <Text size="sm" fw={500} component="h3">
        {fileName}
      </Text>
      <CodeBlock label="creds file" code={content} testId="creds" maxRows={8} onCopied={onSaved} />
      <Group gap="sm">
        <Button
          leftSection={<Download size={16} />}
          onClick={() => {
            downloadFile(fileName, content);
            onSaved?.();
          }}
        >
          Download
        </Button>
        <CopyButton text={content} onCopied={onSaved}>
          Copy
        </CopyButton>
        <Button
          variant="default"
          leftSection={<QrCode size={16} />}
          aria-expanded={qr}
          onClick={() => setQr((shown) => !shown)}
        >
          {qr ? "Hide QR code" : "QR code"}
        </Button>
      </Group>
      {qr && (
        <Suspense fallback={null}>
          <Qr text={content} label={`QR code of ${fileName}`} />
        </Suspense>
      )}
    </Stack>
  );
}
