import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { planOf } from "../api/tenants";
import { AccountSettingsForm } from "../features/accounts/AccountSettingsForm";
import { useAccount } from "../features/accounts/AccountContext";
import { DeleteAccount } from "../features/accounts/DeleteAccount";
import { Loaded } from "../features/problems/Loaded";
import { useMay } from "../features/shell/useTenant";
import { PanelSkeleton } from "../ui/Skeletons";

export function AccountSettingsPage() {
  const account = useAccount();
  const plan = useQuery(planOf(account.tenant_id));
  const navigate = useNavigate();
  const mayEdit = useMay("developer");
  const mayDelete = useMay("admin");
  return (
    <Stack gap="lg">
      <Loaded query={plan} what="the plan's limits" skeleton={<PanelSkeleton lines={8} />}>
        {(data) => <AccountSettingsForm account={account} plan={data} readOnly={!mayEdit} />}
      </Loaded>
      {mayDelete && (
        <DeleteAccount
          account={account}
          onDeleted={() => void navigate({ to: "/t/$tenant/accounts", params: { tenant: account.tenant_id } })}
        />
      )}
    </Stack>
  );
}
