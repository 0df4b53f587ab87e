import { Menu, UnstyledButton, useMantineColorScheme } from "@mantine/core";
import { useSuspenseQuery } from "@tanstack/react-query";
import { Check, CircleUser, LogOut, Monitor, Moon, Sun } from "lucide-react";
import { me } from "../../api/session";
import classes from "./Shell.module.css";
import { useLogOut } from "./useLogOut";

const schemes = [
  { value: "auto", label: "As the system", icon: <Monitor size={15} /> },
  { value: "light", label: "Light", icon: <Sun size={15} /> },
  { value: "dark", label: "Dark", icon: <Moon size={15} /> },
] as const;

export function PersonMenu() {
  const { person } = useSuspenseQuery(me).data;
  const { colorScheme, setColorScheme } = useMantineColorScheme();
  const logOut = useLogOut();
  return (
    <Menu width={232} position="top-start">
      <Menu.Target>
        <UnstyledButton className={classes.person} aria-label={`${person.email}: appearance, log out`}>
          <CircleUser size={18} aria-hidden />
          <span className={classes.name}>{person.email}</span>
        </UnstyledButton>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>Appearance</Menu.Label>
        {schemes.map((scheme) => (
          <Menu.Item
            key={scheme.value}
            leftSection={scheme.icon}
            rightSection={scheme.value === colorScheme ? <Check size={15} aria-label="chosen" /> : null}
            onClick={() => setColorScheme(scheme.value)}
          >
            {scheme.label}
          </Menu.Item>
        ))}
        <Menu.Divider />
        <Menu.Item leftSection={<LogOut size={15} />} onClick={logOut}>
          Log out
        </Menu.Item>
      </Menu.Dropdown>
    </Menu>
  );
}
