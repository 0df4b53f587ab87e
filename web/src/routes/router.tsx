import type { QueryClient } from "@tanstack/react-query";
import {
  createRootRouteWithContext,
  createRoute,
  createRouter,
  lazyRouteComponent,
  Outlet,
  redirect,
} from "@tanstack/react-router";
import { Problem } from "../api/client";
import type { CredentialStatus } from "../api/credentials";
import type { DeviceLoginKind } from "../api/deviceLogins";
import { me } from "../api/session";
import type { LoginFilter } from "../features/logins/AccountLoginsPanel";
import { RouteProblem } from "../features/shell/RouteProblem";
import { NotFound } from "../features/shell/NotFound";

// Every URL of the UI, outermost first. Each page is a chunk of its own.

const root = createRootRouteWithContext<{ queryClient: QueryClient }>()({
  component: Outlet,
  notFoundComponent: NotFound,
});

type Return = { return?: string };

/** Only a path of this page may be returned to: anything else would let a link send people elsewhere after log-in. */
export function validateReturn(search: Record<string, unknown>): Return {
  const target = search.return;
  const ours = typeof target === "string" && /^\/(?![/\\])/.test(target);
  return ours ? { return: target } : {};
}

const signUp = createRoute({
  getParentRoute: () => root,
  path: "/sign-up",
  component: lazyRouteComponent(() => import("./sign-up"), "SignUpPage"),
});
const logIn = createRoute({
  getParentRoute: () => root,
  path: "/log-in",
  validateSearch: validateReturn,
  component: lazyRouteComponent(() => import("./log-in"), "LogInPage"),
});

/** Everything below needs somebody signed in. */
const signedIn = createRoute({
  getParentRoute: () => root,
  id: "signed-in",
  beforeLoad: async ({ context, location }) => {
    try {
      return { me: await context.queryClient.ensureQueryData(me) };
    } catch (error) {
      if (error instanceof Problem && error.status === 401) {
        throw redirect({ to: "/log-in", search: location.href === "/" ? {} : { return: location.href } });
      }
      throw error;
    }
  },
  errorComponent: RouteProblem,
  component: lazyRouteComponent(() => import("./signed-in"), "SignedInLayout"),
});

const home = createRoute({
  getParentRoute: () => signedIn,
  path: "/",
  component: lazyRouteComponent(() => import("./home"), "HomePage"),
});

const tenant = createRoute({
  getParentRoute: () => signedIn,
  path: "/t/$tenant",
  component: lazyRouteComponent(() => import("./tenant"), "TenantLayout"),
});
const overview = createRoute({
  getParentRoute: () => tenant,
  path: "/",
  component: lazyRouteComponent(() => import("./overview"), "OverviewPage"),
});
const accounts = createRoute({
  getParentRoute: () => tenant,
  path: "/accounts",
  validateSearch: (search: Record<string, unknown>): { create?: boolean } => (search.create ? { create: true } : {}),
  component: lazyRouteComponent(() => import("./accounts"), "AccountsPage"),
});
const members = createRoute({
  getParentRoute: () => tenant,
  path: "/members",
  component: lazyRouteComponent(() => import("./members"), "MembersPage"),
});
const apiTokens = createRoute({
  getParentRoute: () => tenant,
  path: "/api-tokens",
  component: lazyRouteComponent(() => import("./api-tokens"), "ApiTokensPage"),
});
const audit = createRoute({
  getParentRoute: () => tenant,
  path: "/audit",
  component: lazyRouteComponent(() => import("./audit"), "AuditPage"),
});
const events = createRoute({
  getParentRoute: () => tenant,
  path: "/events",
  component: lazyRouteComponent(() => import("./events"), "EventsPage"),
});
const plan = createRoute({
  getParentRoute: () => tenant,
  path: "/plan",
  component: lazyRouteComponent(() => import("./plan"), "PlanPage"),
});
const tenantSettings = createRoute({
  getParentRoute: () => tenant,
  path: "/settings",
  component: lazyRouteComponent(() => import("./tenant-settings"), "TenantSettingsPage"),
});

const account = createRoute({
  getParentRoute: () => signedIn,
  path: "/accounts/$account",
  component: lazyRouteComponent(() => import("./account"), "AccountLayout"),
});
const accountOverview = createRoute({
  getParentRoute: () => account,
  path: "/",
  component: lazyRouteComponent(() => import("./account-overview"), "AccountOverviewPage"),
});
const connect = createRoute({
  getParentRoute: () => account,
  path: "/connect",
  component: lazyRouteComponent(() => import("./account-connect"), "AccountConnectPage"),
});
const users = createRoute({
  getParentRoute: () => account,
  path: "/users",
  component: lazyRouteComponent(() => import("./account-users"), "AccountUsersPage"),
});
const user = createRoute({
  getParentRoute: () => users,
  path: "$user",
  component: lazyRouteComponent(() => import("./account-user"), "AccountUserPage"),
});
const roles = createRoute({
  getParentRoute: () => account,
  path: "/roles",
  component: lazyRouteComponent(() => import("./account-roles"), "AccountRolesPage"),
});
const role = createRoute({
  getParentRoute: () => roles,
  path: "$role",
  component: lazyRouteComponent(() => import("./account-role"), "AccountRolePage"),
});
const credentialStates: readonly CredentialStatus[] = ["active", "expiring", "expired", "revoked"];
const loginKinds: readonly DeviceLoginKind[] = ["password", "token", "nkey", "certificate"];
const authentication = createRoute({
  getParentRoute: () => account,
  path: "/authentication",
  validateSearch: (search: Record<string, unknown>): LoginFilter => {
    const kind = loginKinds.find((candidate) => candidate === search.kind);
    const status = credentialStates.find((state) => state === search.status);
    return { ...(kind && { kind }), ...(status && { status }) };
  },
  component: lazyRouteComponent(() => import("./account-authentication"), "AccountAuthenticationPage"),
});
const issuer = createRoute({
  getParentRoute: () => authentication,
  path: "issuers/$issuer",
  component: lazyRouteComponent(() => import("./account-issuer"), "AccountIssuerPage"),
});
const deviceLogin = createRoute({
  getParentRoute: () => authentication,
  path: "/device-logins/$deviceLogin",
  component: lazyRouteComponent(() => import("./account-device-login"), "AccountDeviceLoginPage"),
});
const credentials = createRoute({
  getParentRoute: () => account,
  path: "/credentials",
  validateSearch: (search: Record<string, unknown>): { status?: CredentialStatus } => {
    const status = credentialStates.find((state) => state === search.status);
    return status ? { status } : {};
  },
  component: lazyRouteComponent(() => import("./account-credentials"), "AccountCredentialsPage"),
});
const credential = createRoute({
  getParentRoute: () => credentials,
  path: "$credential",
  component: lazyRouteComponent(() => import("./account-credential"), "AccountCredentialPage"),
});
const connections = createRoute({
  getParentRoute: () => account,
  path: "/connections",
  component: lazyRouteComponent(() => import("./account-connections"), "AccountConnectionsPage"),
});
const console = createRoute({
  getParentRoute: () => account,
  path: "/console",
  component: lazyRouteComponent(() => import("./account-console"), "AccountConsolePage"),
});
const simulator = createRoute({
  getParentRoute: () => account,
  path: "/simulator",
  validateSearch: (search: Record<string, unknown>): { user?: string } =>
    typeof search.user === "string" ? { user: search.user } : {},
  component: lazyRouteComponent(() => import("./account-simulator"), "AccountSimulatorPage"),
});
const accountSettings = createRoute({
  getParentRoute: () => account,
  path: "/settings",
  component: lazyRouteComponent(() => import("./account-settings"), "AccountSettingsPage"),
});

const accountDeletion = createRoute({
  getParentRoute: () => account,
  path: "/deletion",
  component: lazyRouteComponent(() => import("./account-deletion"), "AccountDeletionPage"),
});

const operators = createRoute({
  getParentRoute: () => signedIn,
  path: "/operators",
  validateSearch: (search: Record<string, unknown>): { create?: boolean } => (search.create ? { create: true } : {}),
  component: lazyRouteComponent(() => import("./operators"), "OperatorsPage"),
});

const plans = createRoute({
  getParentRoute: () => signedIn,
  path: "/plans",
  validateSearch: (search: Record<string, unknown>): { create?: boolean } => (search.create ? { create: true } : {}),
  component: lazyRouteComponent(() => import("./plans"), "PlansPage"),
});
const staffPlan = createRoute({
  getParentRoute: () => signedIn,
  path: "/plans/$plan",
  validateSearch: (search: Record<string, unknown>): { edit?: boolean } => (search.edit ? { edit: true } : {}),
  component: lazyRouteComponent(() => import("./staff-plan"), "StaffPlanPage"),
});

const staffTenants = createRoute({
  getParentRoute: () => signedIn,
  path: "/tenants",
  component: lazyRouteComponent(() => import("./tenants"), "TenantsPage"),
});

const routeTree = root.addChildren([
  signUp,
  logIn,
  signedIn.addChildren([
    home,
    tenant.addChildren([overview, accounts, members, apiTokens, events, audit, plan, tenantSettings]),
    account.addChildren([
      accountOverview,
      connect,
      users.addChildren([user]),
      credentials.addChildren([credential]),
      roles.addChildren([role]),
      authentication.addChildren([deviceLogin, issuer]),
      connections,
      console,
      simulator,
      accountSettings,
      accountDeletion,
    ]),
    operators,
    plans,
    staffPlan,
    staffTenants,
  ]),
]);

export function makeRouter(queryClient: QueryClient) {
  return createRouter({
    routeTree,
    context: { queryClient },
    defaultPreload: "intent",
    defaultErrorComponent: RouteProblem,
    defaultNotFoundComponent: NotFound,
    scrollRestoration: true,
  });
}

declare module "@tanstack/react-router" {
  interface Register {
    router: ReturnType<typeof makeRouter>;
  }
}
