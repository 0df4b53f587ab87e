import { Menu, UnstyledButton } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { Check, ChevronsUpDown } from "lucide-react";
import { me } from "../../api/session";
import { Logo } from "./Logo";
import classes from "./Shell.module.css";
import { useTenant } from "./useTenant";

export function TenantSwitcher() {
  const { memberships } = useSuspenseQuery(me).data;
  const tenant = useTenant();
  const navigate = useNavigate();
  return (
    <Menu width={232} position="bottom-start">
      <Menu.Target>
        <UnstyledButton className={classes.person} aria-label={`Team ${tenant?.tenant_name ?? "none"}, switch`}>
          <Logo />
          <span className={classes.name} style={{ fontWeight: 600 }}>
            {tenant?.tenant_name ?? "No team"}
          </span>
          <ChevronsUpDown size={15} aria-hidden />
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Your teams</Menu.Label>
        {memberships.map((membership) => (
          <Menu.Item
            key={membership.tenant_id}
            rightSection={membership.tenant_id === tenant?.tenant_id ? <Check size={15} aria-label="current" /> : null}
            onClick={() => void navigate({ to: "/t/$tenant", params: { tenant: membership.tenant_id } })}
          >
            {membership.tenant_name}
          </Menu.Item>
        ))}
      </Menu.Dropdown>
    </Menu>
  );
}
