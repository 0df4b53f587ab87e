import { useQueryClient } from "@tanstack/react-query";
import { type Broker, removeBroker } from "../../api/operators";
import { ConfirmDialog } from "../problems/ConfirmDialog";

export function RemoveBrokerDialog({ broker, onClose }: { broker?: Broker; onClose: () => void }) {
  const queryClient = useQueryClient();
  return (
    <ConfirmDialog
      title={broker && `Remove ${broker.name}?`}
      verb="Remove broker"
      work={async () => {
        if (!broker) return;
        await removeBroker(broker.id);
        onClose();
        await queryClient.invalidateQueries({ queryKey: ["operators", broker.operator_id] });
      }}
      onClose={onClose}
    >
      Nothing waits for it any more, and its seat is revoked for good: started again, it lets nobody in. What is on its
      disk, streams of deleted accounts included, stays there. Destroy it.
    </ConfirmDialog>
  );
}
