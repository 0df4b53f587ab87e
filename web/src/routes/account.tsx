import { Group, Skeleton, Stack, Text } from "@mantine/core";
import { useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { getRouteApi, Link, Outlet, useLocation } from "@tanstack/react-router";
import { useEffect, useRef } from "react";
import { accountById, endpointsOf } from "../api/accounts";
import { Problem } from "../api/client";
import { me } from "../api/session";
import { AccountContext } from "../features/accounts/AccountContext";
import { DeliveryStatus } from "../features/accounts/DeliveryStatus";
import { ExpiryNotice } from "../features/creds/ExpiryNotice";
import { SuspendedNotice } from "../features/accounts/Suspension";
import { Loaded } from "../features/problems/Loaded";
import { DeletingNotice } from "../features/retirement/DeletingNotice";
import { RetiredAccount } from "../features/retirement/RetiredAccount";
import { useMay } from "../features/shell/useTenant";
import { CopyIcon } from "../ui/CopyButton";
import { Key } from "../ui/Key";
import { TextLink } from "../ui/links";
import { Page } from "../ui/Page";
import { PanelSkeleton } from "../ui/Skeletons";
import classes from "./account.module.css";

const route = getRouteApi("/signed-in/accounts/$account");

const tabs = [
  { to: "/accounts/$account/connect", label: "Connect", exact: false },
  { to: "/accounts/$account", label: "Overview", exact: true },
  { to: "/accounts/$account/users", label: "Users", exact: false },
  { to: "/accounts/$account/credentials", label: "Creds", exact: false },
  { to: "/accounts/$account/roles", label: "Roles", exact: false },
  { to: "/accounts/$account/authentication", label: "Authentication", exact: false },
  { to: "/accounts/$account/connections", label: "Connections", exact: false },
  { to: "/accounts/$account/console", label: "Console", exact: false },
  { to: "/accounts/$account/simulator", label: "Simulator", exact: false },
  { to: "/accounts/$account/settings", label: "Settings", exact: false },
] as const;

/** Of an account that is being deleted: nothing leads to what cannot be done any more. */
const deletingTabs = [
  { to: "/accounts/$account/deletion", label: "Deletion", exact: false },
  ...tabs.filter((tab) => tab.label !== "Connect" && tab.label !== "Console"),
];

export function AccountLayout() {
  const { account: id } = route.useParams();
  const account = useQuery({
    ...accountById(id),
    // What is being deleted goes by itself.
    refetchInterval: (query) => (query.state.data?.status === "deleting" ? 3_000 : false),
  });
  const endpoints = useQuery(endpointsOf(id));
  const mayDecide = useMay("admin");
  const { person } = useSuspenseQuery(me).data;
  const { pathname } = useLocation();
  const tabBar = useRef<HTMLElement>(null);
  const loaded = account.data !== undefined;
  useEffect(() => {
    // Where the tabs do not fit, the one that is open must not be the one out of sight.
    const bar = tabBar.current;
    const open = bar?.querySelector<HTMLElement>("[data-status='active']");
    if (bar && open) bar.scrollLeft = open.offsetLeft - bar.offsetLeft - 24;
  }, [pathname, loaded]);

  if (account.error instanceof Problem && account.error.status === 404) return <RetiredAccount account={id} />;
  return (
    <Loaded
      query={account}
      what="the account"
      skeleton={
        <Stack gap="lg" maw="68rem" mx="auto">
          <Skeleton height={28} width={220} />
          <Skeleton height={36} />
          <PanelSkeleton lines={6} />
        </Stack>
      }
    >
      {(data) => {
        const url = endpoints.data?.nats[0];
        const deleting = data.status === "deleting";
        return (
          <Page
            title={data.name}
            trail={[
              <TextLink
                key="accounts"
                to="/t/$tenant/accounts"
                params={{ tenant: data.tenant_id }}
                size="sm"
                c="dimmed"
              >
                Accounts
              </TextLink>,
              <Text key="name" size="sm">
                {data.name}
              </Text>,
            ]}
            description={
              <Group gap="xs" className={classes.facts}>
                <DeliveryStatus account={id} />
                <Key value={data.public_key} what="public key" />
                {url && (
                  <span className={classes.url}>
                    {url}
                    <CopyIcon text={url} what="URL" />
                  </span>
                )}
              </Group>
            }
          >
            <nav aria-label={`Pages of ${data.name}`} className={classes.tabs} ref={tabBar}>
              {(deleting ? deletingTabs : tabs).map((tab) => (
                <Link key={tab.label} to={tab.to} params={{ account: id }} activeOptions={{ exact: tab.exact }}>
                  {tab.label}
                </Link>
              ))}
            </nav>
            <SuspendedNotice account={data} mayResume={mayDecide && !deleting} isStaff={person.is_staff} />
            {deleting ? <DeletingNotice account={data} mayDecide={mayDecide} /> : <ExpiryNotice account={data} />}
            <AccountContext value={data}>
              <Outlet />
            </AccountContext>
          </Page>
        );
      }}
    </Loaded>
  );
}
