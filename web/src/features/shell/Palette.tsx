import { useMantineColorScheme } from "@mantine/core";
import { Spotlight, type SpotlightActionGroupData } from "@mantine/spotlight";
import { useInfiniteQuery, useQuery, useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import {
  Bell,
  Box,
  Boxes,
  Building2,
  Gauge,
  KeySquare,
  LayoutDashboard,
  LogOut,
  Network,
  Package,
  Plus,
  ScrollText,
  Search,
  Settings,
  SunMoon,
  Users,
} from "lucide-react";
import { accountById, accountsOf } from "../../api/accounts";
import { me } from "../../api/session";
import { useLogOut } from "./useLogOut";
import { useMay, useTenant } from "./useTenant";

const icon = 17;

const liveAccountPages = [
  { to: "/accounts/$account", label: "Overview", keywords: ["health", "delivery"] },
  { to: "/accounts/$account/users", label: "Users", keywords: ["create user", "issue to many", "batch"] },
  { to: "/accounts/$account/credentials", label: "Creds", keywords: ["credentials", "expire", "last seen", "revoke"] },
  { to: "/accounts/$account/roles", label: "Roles", keywords: ["permissions", "hours"] },
  {
    to: "/accounts/$account/authentication",
    label: "Authentication",
    keywords: [
      "OpenID Connect",
      "OIDC",
      "token issuers",
      "single sign-on",
      "device logins",
      "client certificates",
      "certificate authorities",
      "auth callout",
      "authorization service",
      "signing keys",
    ],
  },
  { to: "/accounts/$account/connections", label: "Connections", keywords: ["clients", "refused"] },
  { to: "/accounts/$account/console", label: "Console", keywords: ["publish", "subscribe", "try it", "messages"] },
  { to: "/accounts/$account/simulator", label: "Simulator", keywords: ["may this user", "permission", "dry run"] },
  {
    to: "/accounts/$account/settings",
    label: "Settings",
    keywords: ["limits", "mappings", "suspend account", "clone account", "delete account"],
  },
] as const;
const deletingAccountPages = [
  { to: "/accounts/$account/deletion", label: "Deletion", keywords: ["restore", "purge"] },
  ...liveAccountPages,
] as const;

/** Palette reaches every page and act by name: Ctrl-K or ⌘-K. */
export default function Palette() {
  const { person, memberships } = useSuspenseQuery(me).data;
  const tenant = useTenant();
  const navigate = useNavigate();
  const logOut = useLogOut();
  const { setColorScheme, colorScheme } = useMantineColorScheme();
  const developer = useMay("developer");
  const admin = useMay("admin");
  const accounts = useInfiniteQuery({ ...accountsOf(tenant?.tenant_id ?? ""), enabled: tenant !== undefined });

  const { account } = useParams({ strict: false });
  // The one whose page is open; its pages come first.
  const current = useQuery({ ...accountById(account ?? ""), enabled: account !== undefined }).data;

  const params = { tenant: tenant?.tenant_id ?? "" };
  const pages = tenant
    ? [
        {
          id: "overview",
          label: "Overview",
          leftSection: <LayoutDashboard size={icon} />,
          onClick: () => void navigate({ to: "/t/$tenant", params }),
        },
        {
          id: "accounts",
          label: "Accounts",
          leftSection: <Boxes size={icon} />,
          onClick: () => void navigate({ to: "/t/$tenant/accounts", params }),
        },
        {
          id: "members",
          label: "Members",
          leftSection: <Users size={icon} />,
          onClick: () => void navigate({ to: "/t/$tenant/members", params }),
        },
        {
          id: "events",
          label: "Events",
          leftSection: <Bell size={icon} />,
          onClick: () => void navigate({ to: "/t/$tenant/events", params }),
        },
        ...(admin
          ? [
              {
                id: "api-tokens",
                label: "API tokens",
                leftSection: <KeySquare size={icon} />,
                onClick: () => void navigate({ to: "/t/$tenant/api-tokens", params }),
              },
              {
                id: "audit",
                label: "Audit",
                leftSection: <ScrollText size={icon} />,
                onClick: () => void navigate({ to: "/t/$tenant/audit", params }),
              },
            ]
          : []),
        {
          id: "plan",
          label: "Plan and use",
          leftSection: <Gauge size={icon} />,
          onClick: () => void navigate({ to: "/t/$tenant/plan", params }),
        },
        {
          id: "settings",
          label: "Settings",
          leftSection: <Settings size={icon} />,
          onClick: () => void navigate({ to: "/t/$tenant/settings", params }),
        },
      ]
    : [];
  if (person.is_staff) {
    pages.push(
      {
        id: "operators",
        label: "Operators",
        leftSection: <Network size={icon} />,
        onClick: () => void navigate({ to: "/operators" }),
      },
      {
        id: "tenants",
        label: "Tenants",
        leftSection: <Building2 size={icon} />,
        onClick: () => void navigate({ to: "/tenants" }),
      },
      {
        id: "plans",
        label: "Plans",
        leftSection: <Package size={icon} />,
        onClick: () => void navigate({ to: "/plans" }),
      },
    );
  }

  const groups: SpotlightActionGroupData[] = [
    ...(current
      ? [
          {
            group: `Account ${current.name}`,
            actions: (current.status === "deleting" ? deletingAccountPages : liveAccountPages).map(
              ({ to, label, keywords }) => ({
                id: `${current.id}-${label}`,
                label: `${current.name}: ${label}`,
                keywords: [...keywords],
                leftSection: <Box size={icon} />,
                onClick: () => void navigate({ to, params: { account: current.id } }),
              }),
            ),
          },
        ]
      : []),
    {
      group: "Accounts",
      actions: (accounts.data?.pages ?? [])
        .flatMap((page) => page.items)
        .flatMap((account) => [
          {
            id: account.id,
            label: account.name,
            description: account.description || undefined,
            leftSection: <Box size={icon} />,
            onClick: () => void navigate({ to: "/accounts/$account", params: { account: account.id } }),
          },
          {
            id: `connect-${account.id}`,
            label: `Connect to ${account.name}`,
            keywords: ["creds", "snippet", "first message"],
            leftSection: <Box size={icon} />,
            onClick: () => void navigate({ to: "/accounts/$account/connect", params: { account: account.id } }),
          },
        ]),
    },
    { group: "Pages", actions: pages },
    {
      group: "Do",
      actions: [
        ...(developer
          ? [
              {
                id: "create-account",
                label: "Create account",
                leftSection: <Plus size={icon} />,
                onClick: () => void navigate({ to: "/t/$tenant/accounts", params, search: { create: true } }),
              },
            ]
          : []),
        ...(person.is_staff
          ? [
              {
                id: "create-plan",
                label: "Create plan",
                leftSection: <Plus size={icon} />,
                onClick: () => void navigate({ to: "/plans", search: { create: true } }),
              },
              {
                id: "create-operator",
                label: "Create operator",
                leftSection: <Plus size={icon} />,
                onClick: () => void navigate({ to: "/operators", search: { create: true } }),
              },
            ]
          : []),
        ...memberships
          .filter((membership) => membership.tenant_id !== tenant?.tenant_id)
          .map((membership) => ({
            id: membership.tenant_id,
            label: `Switch to ${membership.tenant_name}`,
            leftSection: <Users size={icon} />,
            onClick: () => void navigate({ to: "/t/$tenant", params: { tenant: membership.tenant_id } }),
          })),
        {
          id: "appearance",
          label: colorScheme === "dark" ? "Use light appearance" : "Use dark appearance",
          leftSection: <SunMoon size={icon} />,
          onClick: () => setColorScheme(colorScheme === "dark" ? "light" : "dark"),
        },
        { id: "log-out", label: "Log out", leftSection: <LogOut size={icon} />, onClick: logOut },
      ],
    },
  ];

  return (
    <Spotlight
      actions={groups}
      shortcut={null}
      overlayProps={{ blur: 0, backgroundOpacity: 0.4 }}
      limit={12}
      scrollable
      maxHeight={420}
      nothingFound="Nothing of that name"
      highlightQuery
      transitionProps={{ duration: 100 }}
      searchProps={{
        leftSection: <Search size={icon} />,
        placeholder: "Find a page, an account, something to do",
        "aria-label": "Find or do",
      }}
    />
  );
}
