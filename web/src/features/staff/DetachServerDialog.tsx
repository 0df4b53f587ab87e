import { useQueryClient } from "@tanstack/react-query";
import { detachServer, type Server } from "../../api/operators";
import { ConfirmDialog } from "../problems/ConfirmDialog";

export function DetachServerDialog({ server, onClose }: { server?: Server; onClose: () => void }) {
  const queryClient = useQueryClient();
  return (
    <ConfirmDialog
      title={server && `Detach ${server.name}?`}
      verb="Detach server"
      work={async () => {
        if (!server) return;
        await detachServer(server.id);
        onClose();
        await queryClient.invalidateQueries({ queryKey: ["operators", server.operator_id] });
      }}
      onClose={onClose}
    >
      It keeps the accounts that it has and hears of no change any more: creds that are revoked from now on still work
      there. Take it out of service first.
    </ConfirmDialog>
  );
}
