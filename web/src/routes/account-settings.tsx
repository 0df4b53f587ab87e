import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { mappingsOf } from "../api/mappings";
import { planOf } from "../api/tenants";
import { AccountSettingsForm } from "../features/accounts/AccountSettingsForm";
import { useAccount } from "../features/accounts/AccountContext";
import { CloneAccount } from "../features/accounts/CloneAccount";
import { SuspendAccount } from "../features/accounts/Suspension";
import { MappingEditor } from "../features/mappings/MappingEditor";
import { Loaded } from "../features/problems/Loaded";
import { DeleteAccount } from "../features/retirement/DeleteAccount";
import { useMay } from "../features/shell/useTenant";
import { PanelSkeleton } from "../ui/Skeletons";

export function AccountSettingsPage() {
  const account = useAccount();
  const plan = useQuery(planOf(account.tenant_id));
  const mappings = useQuery(mappingsOf(account.id));
  const navigate = useNavigate();
  const mayEdit = useMay("developer");
  const mayDelete = useMay("admin");
  const frozen = account.status === "deleting";
  return (
    <Stack gap="lg">
      <Loaded query={plan} what="the plan's limits" skeleton={<PanelSkeleton lines={8} />}>
        {(data) => <AccountSettingsForm account={account} plan={data} readOnly={!mayEdit || frozen} />}
      </Loaded>
      <Loaded query={mappings} what="the mappings" skeleton={<PanelSkeleton />}>
        {(data) => <MappingEditor account={account} mappings={data.mappings} readOnly={!mayEdit || frozen} />}
      </Loaded>
      {mayEdit && (
        <CloneAccount
          account={account}
          onCloned={(clone) => void navigate({ to: "/accounts/$account", params: { account: clone.id } })}
        />
      )}
      {mayDelete && account.status === "active" && <SuspendAccount account={account} />}
      {mayDelete && !frozen && (
        <DeleteAccount
          account={account}
          onDeleted={() => void navigate({ to: "/accounts/$account/deletion", params: { account: account.id } })}
        />
      )}
    </Stack>
  );
}
