import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { planOf } from "../api/tenants";
import { AccountSettingsForm } from "../features/accounts/AccountSettingsForm";
import { useAccount } from "../features/accounts/AccountContext";
import { Loaded } from "../features/problems/Loaded";
import { DeleteAccount } from "../features/retirement/DeleteAccount";
import { useMay } from "../features/shell/useTenant";
import { PanelSkeleton } from "../ui/Skeletons";

export function AccountSettingsPage() {
  const account = useAccount();
  const plan = useQuery(planOf(account.tenant_id));
  const navigate = useNavigate();
  const mayEdit = useMay("developer");
  const mayDelete = useMay("admin");
  const frozen = account.status === "deleting";
  return (
    <Stack gap="lg">
      <Loaded query={plan} what="the plan's limits" skeleton={<PanelSkeleton lines={8} />}>
        {(data) => <AccountSettingsForm account={account} plan={data} readOnly={!mayEdit || frozen} />}
      </Loaded>
      {mayDelete && !frozen && (
        <DeleteAccount
          account={account}
          onDeleted={() => void navigate({ to: "/accounts/$account/deletion", params: { account: account.id } })}
        />
      )}
    </Stack>
  );
}
