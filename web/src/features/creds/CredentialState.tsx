import { Text } from "@mantine/core";
import type { Credential } from "../../api/credentials";
import { Status } from "../../ui/Status";
import { Time } from "../../ui/Time";

export function CredentialState({
  credential,
}: {
  credential: Pick<Credential, "status" | "expires_at" | "revoked_at" | "revoke_reason">;
}) {
  const { status, expires_at, revoked_at, revoke_reason } = credential;
  if (status === "revoked") {
    return (
      <>
        <Status tone="stopped">Revoked {revoked_at && <Time value={revoked_at} />}</Status>
        {revoke_reason && (
          <Text size="xs" c="dimmed">
            {revoke_reason}
          </Text>
        )}
      </>
    );
  }
  if (status === "expired") {
    return <Status tone="stopped">Expired {expires_at && <Time value={expires_at} />}</Status>;
  }
  if (status === "expiring") {
    return <Status tone="attention">Expires {expires_at && <Time value={expires_at} />}</Status>;
  }
  return (
    <>
      <Status tone="ok">Active</Status>
      {expires_at && (
        <Text size="xs" c="dimmed">
          Expires <Time value={expires_at} />
        </Text>
      )}
    </>
  );
}
