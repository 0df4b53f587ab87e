import { Button, FileButton, Group, Modal, Stack, Textarea } from "@mantine/core";
import { FileUp } from "lucide-react";
import { useState } from "react";
import type { Account } from "../../api/accounts";
import { plural } from "../../ui/format";
import { AccountChangeProblem, ChangeDone } from "../accounts/AccountChange";
import { useAccountChange } from "../accounts/useAccountChange";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useFocusOnError } from "../problems/useAct";
import { certificatesOf, hasPrivateKey, readCertificates } from "./pem";

type AddAuthorityDialogProps = { account: Account; onClose: () => void };

export function AddAuthorityDialog({ account, onClose }: AddAuthorityDialogProps) {
  const { base, act, pending, problem, done, takeTheirs } = useAccountChange(account);
  const [text, setText] = useState("");
  const [tried, setTried] = useState(false);
  const form = useFocusOnError(problem);
  const fresh = certificatesOf(text);
  const errors = placeFieldErrors(problem, ["/certificate_authorities"], (pointer) => {
    const index = Number(pointer.split("/")[2]) - base.certificate_authorities.length;
    return fresh.length > 1 ? `Certificate ${index + 1}` : undefined;
  });
  // Said before anything is sent: what was sent is known to others.
  const secret = hasPrivateKey(text)
    ? "This has a private key, which is the authority's alone. It was sent nowhere: take it out."
    : undefined;
  const missing = tried && fresh.length === 0 ? "Paste a certificate, or choose a file." : undefined;
  return (
    <Modal
      opened
      onClose={onClose}
      size="lg"
      title={done ? "Added" : "Add a certificate authority"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {done ? (
        <ChangeDone
          account={account.id}
          title={`Added ${plural(fresh.length, "authority", "authorities")}`}
          onClose={onClose}
        >
          Now say on a user's page which certificate stands for it: a device login of the kind certificate.
        </ChangeDone>
      ) : (
        <form
          ref={form}
          noValidate
          onSubmit={(event) => {
            event.preventDefault();
            setTried(true);
            if (!secret && fresh.length > 0) {
              act({ certificate_authorities: [...base.certificate_authorities, ...fresh] });
            }
          }}
        >
          <Stack gap="md">
            <Textarea
              label="Certificate"
              description="In PEM; several one after the other. Only certificates, never a private key."
              placeholder={"-----BEGIN CERTIFICATE-----\n…\n-----END CERTIFICATE-----"}
              autosize
              minRows={6}
              maxRows={14}
              spellCheck={false}
              data-autofocus
              styles={{ input: { fontFamily: "var(--mantine-font-family-monospace)" } }}
              value={text}
              onChange={(event) => setText(event.currentTarget.value)}
              error={secret ?? missing ?? errors.at("/certificate_authorities")}
            />
            <Group>
              <FileButton
                accept=".pem,.crt,.cer,.der,application/x-x509-ca-cert,application/x-pem-file"
                onChange={(file) => {
                  if (file) void readCertificates(file).then((read) => setText((before) => `${before}${read}`));
                }}
                inputProps={{ "aria-label": "File with certificates" }}
              >
                {(props) => (
                  <Button variant="default" size="xs" leftSection={<FileUp size={14} />} {...props}>
                    Choose a file
                  </Button>
                )}
              </FileButton>
            </Group>
            <AccountChangeProblem problem={problem} errors={errors} onTakeTheirs={() => void takeTheirs()} />
            <Group justify="flex-end" gap="sm">
              <Button variant="default" onClick={onClose}>
                Cancel
              </Button>
              <Button type="submit" loading={pending}>
                Add authority
              </Button>
            </Group>
          </Stack>
        </form>
      )}
    </Modal>
  );
}
