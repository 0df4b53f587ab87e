import { useQueryClient } from "@tanstack/react-query";
import { type ApiToken, deleteApiToken } from "../../api/tenants";
import { ConfirmDialog } from "../problems/ConfirmDialog";

type DeleteApiTokenDialogProps = { tenant: string; token?: ApiToken; onClose: () => void };

export function DeleteApiTokenDialog({ tenant, token, onClose }: DeleteApiTokenDialogProps) {
  const queryClient = useQueryClient();
  return (
    <ConfirmDialog
      title={token && `Delete ${token.name}?`}
      verb="Delete API token"
      work={async () => {
        if (!token) return;
        await deleteApiToken(token.id);
        onClose();
        await queryClient.invalidateQueries({ queryKey: ["tenants", tenant, "api-tokens"] });
      }}
      onClose={onClose}
    >
      Programs that use it are refused from now on. What they made stays.
    </ConfirmDialog>
  );
}
