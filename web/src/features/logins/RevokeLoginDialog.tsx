import { Modal } from "@mantine/core";
import { type DeviceLogin, revokeDeviceLogin } from "../../api/deviceLogins";
import { RevokeForm } from "../creds/RevokeDialog";
import { loginName } from "./loginWords";

type RevokeLoginDialogProps = { login: DeviceLogin | undefined; onClose: () => void };

export function RevokeLoginDialog({ login, onClose }: RevokeLoginDialogProps) {
  return (
    <Modal
      opened={login !== undefined}
      onClose={onClose}
      title={login ? `Revoke ${loginName(login)}?` : ""}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {login && <RevokeForm key={login.id} credential={login} revoke={revokeDeviceLogin} onClose={onClose} />}
    </Modal>
  );
}
