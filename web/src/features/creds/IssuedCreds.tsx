import { Stack, Text } from "@mantine/core";
import type { CredentialIssued } from "../../api/credentials";
import { CodeBlock } from "../../ui/CodeBlock";
import { SecretFile } from "./SecretFile";

/** IssuedCreds shows what was issued, this once: the file, or the JWT alone where the person keeps the seed. */
export function IssuedCreds({ issued, onSaved }: { issued: CredentialIssued; onSaved: () => void }) {
  if (issued.creds !== undefined && issued.file_name !== undefined) {
    return <SecretFile fileName={issued.file_name} content={issued.creds} onSaved={onSaved} />;
  }
  return (
    <Stack gap="sm">
      <Text size="sm">You keep the seed, so this is the JWT alone. Put the two together in a creds file.</Text>
      <CodeBlock label="user JWT" code={issued.jwt} maxRows={8} />
    </Stack>
  );
}

/** What leaving loses while nobody has taken the file. */
export const unsavedFile = {
  title: "You have not saved this file",
  consequence: "Closing forgets it. The credential stays, but nobody could use it.",
  anyway: "Close without saving",
};
