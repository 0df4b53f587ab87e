import type { Account, CertificateAuthority } from "../../api/accounts";
import { RemoveFromAccountDialog } from "../accounts/RemoveFromAccountDialog";

type RemoveAuthorityDialogProps = { account: Account; authority: CertificateAuthority; onClose: () => void };

export function RemoveAuthorityDialog({ account, authority, onClose }: RemoveAuthorityDialogProps) {
  return (
    <RemoveFromAccountDialog
      account={account}
      change={(base) => ({
        certificate_authorities: base.certificate_authorities.filter((pem) => pem !== authority.pem),
      })}
      about={["removeAuthority", authority.fingerprint]}
      title={`Remove ${authority.subject || "this authority"}?`}
      verb="Remove"
      done="Removed"
      meaning={`${authority.subject} is not trusted any more`}
      onClose={onClose}
    >
      Certificates that it has issued let nobody in any more. Device logins for them stay, and work again once the
      authority, or another that issues such certificates, is added.
    </RemoveFromAccountDialog>
  );
}
