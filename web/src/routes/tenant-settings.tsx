import { Stack } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { tenantById } from "../api/tenants";
import { Loaded } from "../features/problems/Loaded";
import { useMay } from "../features/shell/useTenant";
import { RenameTenant } from "../features/tenants/RenameTenant";
import { Facts } from "../ui/Facts";
import { Key } from "../ui/Key";
import { Page } from "../ui/Page";
import { Panel } from "../ui/Panel";
import { PanelSkeleton } from "../ui/Skeletons";
import { Time } from "../ui/Time";

const route = getRouteApi("/signed-in/t/$tenant/settings");

export function TenantSettingsPage() {
  const { tenant: id } = route.useParams();
  const tenant = useQuery(tenantById(id));
  const mayRename = useMay("admin");
  return (
    <Page title="Settings" description="Of the team as a whole; each account has settings of its own.">
      <Loaded query={tenant} what="the team" skeleton={<PanelSkeleton />}>
        {(data) => (
          <Stack gap="lg">
            <RenameTenant key={data.id} tenant={data} readOnly={!mayRename} />
            <Panel title="About">
              <Facts
                items={[
                  ["Id", <Key key="id" value={data.id} what="id" />],
                  ["Created", <Time key="created" value={data.created_at} />],
                  ["Changed", <Time key="updated" value={data.updated_at} />],
                ]}
              />
            </Panel>
          </Stack>
        )}
      </Loaded>
    </Page>
  );
}
