import type { Credential } from "../../api/credentials";
import { shortenKey } from "../../ui/format";

/** usable credentials still let somebody in; the others can be neither rotated nor revoked. */
export function usable({ status }: Pick<Credential, "status">): boolean {
  return status === "active" || status === "expiring";
}

export function nameOf({ name, public_key }: Credential): string {
  return name || shortenKey(public_key);
}
