import type { Credential, CredentialStatus } from "../../api/credentials";
import { shortenKey } from "../../ui/format";

/** usable credentials still let somebody in; the others can be neither rotated nor revoked. */
export function usable({ status }: Pick<Credential, "status">): boolean {
  return status === "active" || status === "expiring";
}

export function nameOf({ name, public_key }: Credential): string {
  return name || shortenKey(public_key);
}

/** What a list can be narrowed to, as a Select offers it. */
export const credentialStates: { value: CredentialStatus | ""; label: string }[] = [
  { value: "", label: "All" },
  { value: "active", label: "Active" },
  { value: "expiring", label: "Expires soon" },
  { value: "expired", label: "Expired" },
  { value: "revoked", label: "Revoked" },
];
