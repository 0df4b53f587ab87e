import type { Account } from "../../api/accounts";
import { plural } from "../../ui/format";
import { ButtonLink } from "../../ui/links";
import { Notice } from "../../ui/Notice";

/** ExpiryNotice says quietly that creds of the account will stop working unless somebody acts. */
export function ExpiryNotice({ account }: { account: Account }) {
  const count = account.expiring_credentials ?? 0;
  if (count === 0) return null;
  return (
    <Notice
      tone="attention"
      role="status"
      actions={
        <ButtonLink
          size="xs"
          variant="default"
          to="/accounts/$account/credentials"
          params={{ account: account.id }}
          search={{ status: "expiring" }}
        >
          Show them
        </ButtonLink>
      }
    >
      {plural(count, "credential")} will expire soon. Rotate or renew {count === 1 ? "it" : "them"}, and nothing stops.
    </Notice>
  );
}
