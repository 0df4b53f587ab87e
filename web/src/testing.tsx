import { MantineProvider } from "@mantine/core";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import {
  createMemoryHistory,
  createRootRoute,
  createRouter,
  RouterProvider,
  type AnyRouter,
} from "@tanstack/react-router";
import { render } from "@testing-library/react";
import type { ReactNode } from "react";
import { vi } from "vitest";
import type { Account } from "./api/accounts";
import type { Credential } from "./api/credentials";
import type { DeviceLogin } from "./api/deviceLogins";
import type { DryRun } from "./api/dryRun";
import type { OidcIssuer } from "./api/oidcIssuers";
import type { Operator } from "./api/operators";
import type { NewestPlan } from "./api/plans";
import type { Role } from "./api/roles";
import { me } from "./api/session";
import type { User } from "./api/users";
import { theme } from "./ui/theme";

/** What a fake server answers to one call. */
export type Fake = { status?: number; body?: unknown; text?: string; headers?: Record<string, string>; lost?: boolean };

export type Call = { method: string; path: string; query: URLSearchParams; headers: Headers; body: unknown };

/**
 * fakeServer stands in at the network's edge: all of our own code runs. Routes are "POST /v1/sign-up"; what has no
 * route is refused with 404. It answers the calls it was sent.
 */
export function fakeServer(routes: Record<string, Fake | ((call: Call) => Fake)>): Call[] {
  const calls: Call[] = [];
  vi.stubGlobal("fetch", async (request: Request) => {
    const text = await request.clone().text();
    const { pathname, searchParams } = new URL(request.url);
    const call: Call = {
      method: request.method,
      path: pathname,
      query: searchParams,
      headers: request.headers,
      body: text ? JSON.parse(text) : undefined,
    };
    calls.push(call);
    const route = routes[`${call.method} ${pathname}`];
    const fake = typeof route === "function" ? route(call) : (route ?? { status: 404, body: problemBody(404) });
    if (fake.lost) throw new TypeError("Failed to fetch");
    const status = fake.status ?? 200;
    const json = fake.body === undefined ? null : JSON.stringify(fake.body);
    return new Response(fake.text ?? json, {
      status,
      headers: { "Content-Type": status < 400 ? "application/json" : "application/problem+json", ...fake.headers },
    });
  });
  return calls;
}

/** problemBody is a refusal as control writes it. */
export function problemBody(status: number, errors: { pointer: string; detail: string }[] = [], detail = "No.") {
  return { type: "/problems/test", title: "Refused", status, detail, request_id: "req_test", errors };
}

export const ada = {
  person: { id: "per_1", email: "ada@example.com", is_staff: false, created_at: "2026-01-01T00:00:00Z" },
  memberships: [{ tenant_id: "ten_1", tenant_name: "Analytical Engines", role: "owner" as const }],
};

/** show renders a component as a page of the app would hold it: signed in, with router, theme and an empty cache. */
export async function show(children: ReactNode) {
  const queryClient = new QueryClient({ defaultOptions: { queries: { retry: false } } });
  queryClient.setQueryData(me.queryKey, ada);
  const rootRoute = createRootRoute({ component: () => children });
  const router: AnyRouter = createRouter({ routeTree: rootRoute, history: createMemoryHistory() });
  await router.load();
  const view = render(
    <MantineProvider theme={theme} env="test">
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </MantineProvider>,
  );
  return { ...view, queryClient };
}

const at = "2026-01-01T00:00:00Z";

const limits: Account["limits"] = {
  connections: 100,
  leaf_nodes: 5,
  subscriptions: 1000,
  payload_bytes: 1 << 20,
  data_bytes: -1,
  exports: 10,
  imports: 10,
  wildcard_exports: true,
  bearer: true,
  jetstream: {
    memory_bytes: 1 << 24,
    disk_bytes: 1 << 30,
    streams: 10,
    consumers: 100,
    ack_pending: -1,
    memory_max_stream_bytes: -1,
    disk_max_stream_bytes: -1,
    max_bytes_required: false,
  },
};

export const anAccount: Account = {
  id: "acc_1",
  tenant_id: "ten_1",
  operator_id: "opr_1",
  name: "orders",
  description: "",
  public_key: "AABCDEFGHIJKLMNOPQRSTUVWXYZ",
  tags: [],
  status: "active",
  suspension: null,
  deleting_at: null,
  purge_at: null,
  limits,
  effective_limits: limits,
  default_permissions: {},
  trace: null,
  cluster_traffic: "system",
  connection_types: [],
  effective_connection_types: [],
  connections_per_type: {},
  auth_callout: null,
  signing_keys: [],
  certificate_authorities: [],
  revision: 3,
  created_at: at,
  updated_at: at,
  etag: '"3"',
};

export const aUser: User = {
  id: "usr_1",
  account_id: "acc_1",
  role_id: "rol_1",
  role_name: "default",
  permissions: null,
  name: "billing",
  tags: [],
  connections: null,
  connection_types: [],
  active_credentials: 1,
  active_device_logins: 0,
  moved_credentials: 0,
  created_at: at,
  updated_at: at,
  etag: '"1"',
};

export const aCredential: Credential = {
  id: "crd_1",
  account_id: "acc_1",
  user_id: "usr_1",
  user: "billing",
  role_id: "rol_1",
  tags: [],
  moved_at: null,
  name: "laptop",
  public_key: "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4",
  status: "active",
  issued_by: "per_1",
  issued_at: at,
  expires_at: null,
  renewals: 0,
  renewed_at: null,
  last_seen: null,
  revoked_at: null,
  revoke_reason: "",
};

export const aDeviceLogin: DeviceLogin = {
  id: "dlg_1",
  account_id: "acc_1",
  user_id: "usr_1",
  user: "billing",
  role_id: "rol_1",
  tags: [],
  moved_at: null,
  kind: "password",
  description: "boiler room",
  username: "boiler",
  public_key: "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4",
  match: null,
  status: "active",
  created_by: "per_1",
  created_at: at,
  expires_at: null,
  last_seen: null,
  revoked_at: null,
  revoke_reason: "",
};

export const aRole: Role = {
  id: "rol_1",
  account_id: "acc_1",
  name: "default",
  description: "",
  public_key: "A",
  private: false,
  permissions: {},
  connection_types: [],
  source_networks: [],
  times: [],
  time_zone: "",
  bearer: false,
  limits: {},
  default_credential_lifetime: null,
  max_credential_lifetime: null,
  moved_credentials: 0,
  created_at: at,
  updated_at: at,
  etag: '"7"',
};

export const anIssuer: OidcIssuer = {
  id: "oid_1",
  account_id: "acc_1",
  url: "https://idp.example.org",
  description: "The pipelines",
  audiences: ["nats"],
  rules: [
    {
      conditions: [{ claim: "sub", match: "glob", value: "repo:acme/*" }],
      role_id: "rol_1",
      name: "ci-{{repository}}",
      tags: [],
      max_lifetime: "PT1H",
    },
  ],
  revoked_subjects: [],
  key_ids: ["one", "two"],
  keys_read_at: at,
  keys_error: null,
  created_at: at,
  updated_at: at,
  etag: '"1"',
};

export const aPlan: NewestPlan = {
  id: "pln_1",
  version: 3,
  name: "Team",
  max_accounts: 50,
  max_members: -1,
  max_roles: 100,
  max_users: 1000,
  account_limits: limits,
  tenant_limits: {
    connections: 5000,
    leaf_nodes: -1,
    jetstream: { memory_bytes: 0, disk_bytes: 1 << 30, streams: -1 },
  },
  connection_types: [],
  max_credential_lifetime: null,
  default_credential_lifetime: null,
  is_default: true,
  is_newest: true,
  tenants: 2,
  created_by: "per_1",
  created_at: at,
  etag: '"3"',
};

/** aDryRun disconnects as many of all that are connected. */
export function aDryRun(closed: number): DryRun {
  return {
    changes: [],
    affected: {
      connections: closed,
      connections_closed: closed,
      connections_changed: 0,
      subscriptions: 0,
      users: 0,
      credentials: 0,
      brokers_asked: 1,
      brokers_answered: 1,
      by_broker: [{ broker: "eu-1", connections: closed, closed }],
      closing: [],
    },
    warnings: [],
    claims: [],
  };
}

export const anOperator: Operator = {
  id: "opr_1",
  name: "Signalbox",
  description: "",
  tags: [],
  first_account: true,
  public_key: "O",
  signing_public_key: "O",
  system_account_public_key: "A",
  strict_signing_key_usage: true,
  is_default: true,
  jwt: "eyJ0",
  revision: 12,
  created_at: at,
  updated_at: at,
  etag: '"1"',
};
