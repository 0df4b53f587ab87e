import { SimpleGrid, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { deliveryOf, endpointsOf } from "../api/accounts";
import { useAccount } from "../features/accounts/AccountContext";
import { BrokerTable } from "../features/accounts/BrokerTable";
import { EndpointFacts } from "../features/accounts/EndpointFacts";
import { jetStreamFacts, limitFacts } from "../features/accounts/limitFacts";
import { Loaded } from "../features/problems/Loaded";
import { Facts } from "../ui/Facts";
import { Key } from "../ui/Key";
import { TextLink } from "../ui/links";
import { Panel } from "../ui/Panel";
import { PanelSkeleton, TableSkeleton } from "../ui/Skeletons";
import { Time } from "../ui/Time";

export function AccountOverviewPage() {
  const account = useAccount();
  const delivery = useQuery({
    ...deliveryOf(account.id),
    refetchInterval: (query) => (query.state.data?.in_force ? 5_000 : 1_000),
  });
  const endpoints = useQuery(endpointsOf(account.id));
  return (
    <Stack gap="lg">
      <Panel flush title="Delivery" description="A change counts when every broker has applied it.">
        <Loaded query={delivery} what="what brokers have applied" skeleton={<TableSkeleton rows={2} />}>
          {(data) => <BrokerTable delivery={data} />}
        </Loaded>
      </Panel>
      <Loaded query={endpoints} what="the URLs" skeleton={<PanelSkeleton />}>
        {(data) => (
          <Panel title="Where clients connect">
            <EndpointFacts endpoints={data} />
          </Panel>
        )}
      </Loaded>
      <SimpleGrid cols={{ base: 1, md: 2 }} spacing="lg">
        <Panel title="About">
          <Facts
            items={[
              [
                "Description",
                account.description || (
                  <Text key="none" size="sm" c="dimmed">
                    None
                  </Text>
                ),
              ],
              ["Public key", <Key key="key" value={account.public_key} what="public key" />],
              ["Id", <Key key="id" value={account.id} what="id" />],
              ["Revision", account.revision.toLocaleString("en-US")],
              ["Created", <Time key="created" value={account.created_at} />],
              ["Changed", <Time key="updated" value={account.updated_at} />],
            ]}
          />
        </Panel>
        <Panel
          title="Limits in force"
          description="The account's own, within what the plan allows."
          actions={
            <TextLink to="/accounts/$account/settings" params={{ account: account.id }} size="sm">
              Change
            </TextLink>
          }
        >
          <Facts
            numeric
            items={[
              ...limitFacts(account.effective_limits),
              ...jetStreamFacts(account.effective_limits).map(([name, value]): [string, string] => [
                `JetStream: ${name.charAt(0).toLowerCase()}${name.slice(1)}`,
                value,
              ]),
            ]}
          />
        </Panel>
      </SimpleGrid>
    </Stack>
  );
}
