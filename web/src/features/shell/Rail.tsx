import { Divider, Stack, Text } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Link, useLocation } from "@tanstack/react-router";
import {
  Bell,
  Boxes,
  Building2,
  Gauge,
  KeySquare,
  LayoutDashboard,
  Network,
  Package,
  ScrollText,
  Settings,
  Users,
} from "lucide-react";
import { me } from "../../api/session";
import classes from "./Shell.module.css";
import { useMay, useTenant } from "./useTenant";

export function Rail() {
  const { person } = useSuspenseQuery(me).data;
  const tenant = useTenant();
  const admin = useMay("admin");
  const { pathname } = useLocation();
  const inAccount = pathname.startsWith("/accounts/");
  return (
    <nav aria-label="Main">
      <Stack gap={2}>
        {tenant && (
          <>
            <Link
              to="/t/$tenant"
              params={{ tenant: tenant.tenant_id }}
              activeOptions={{ exact: true }}
              className={classes.link}
            >
              <LayoutDashboard size={17} aria-hidden /> Overview
            </Link>
            <Link
              to="/t/$tenant/accounts"
              params={{ tenant: tenant.tenant_id }}
              className={classes.link}
              data-status={inAccount ? "active" : undefined}
            >
              <Boxes size={17} aria-hidden /> Accounts
            </Link>
            <Link to="/t/$tenant/members" params={{ tenant: tenant.tenant_id }} className={classes.link}>
              <Users size={17} aria-hidden /> Members
            </Link>
            <Link to="/t/$tenant/events" params={{ tenant: tenant.tenant_id }} className={classes.link}>
              <Bell size={17} aria-hidden /> Events
            </Link>
            {admin && (
              <>
                <Link to="/t/$tenant/api-tokens" params={{ tenant: tenant.tenant_id }} className={classes.link}>
                  <KeySquare size={17} aria-hidden /> API tokens
                </Link>
                <Link to="/t/$tenant/audit" params={{ tenant: tenant.tenant_id }} className={classes.link}>
                  <ScrollText size={17} aria-hidden /> Audit
                </Link>
              </>
            )}
            <Link to="/t/$tenant/plan" params={{ tenant: tenant.tenant_id }} className={classes.link}>
              <Gauge size={17} aria-hidden /> Plan and use
            </Link>
            <Link to="/t/$tenant/settings" params={{ tenant: tenant.tenant_id }} className={classes.link}>
              <Settings size={17} aria-hidden /> Settings
            </Link>
          </>
        )}
        {person.is_staff && (
          <>
            <Divider my={8} color="var(--sb-border)" />
            <Text size="xs" c="dimmed" px={10} pb={4}>
              Staff
            </Text>
            <Link to="/operators" className={classes.link}>
              <Network size={17} aria-hidden /> Operators
            </Link>
            <Link to="/tenants" className={classes.link}>
              <Building2 size={17} aria-hidden /> Tenants
            </Link>
            <Link to="/plans" className={classes.link}>
              <Package size={17} aria-hidden /> Plans
            </Link>
          </>
        )}
      </Stack>
    </nav>
  );
}
