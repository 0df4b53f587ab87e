import { AppShell, Burger, Group, ScrollArea, Text, UnstyledButton } from "@mantine/core";
import { useLocation } from "@tanstack/react-router";
import { Search } from "lucide-react";
import { lazy, type ReactNode, Suspense, useRef, useState } from "react";
import { useHotkeys } from "@mantine/hooks";
import { spotlight } from "@mantine/spotlight";
import { Logo } from "./Logo";
import { PersonMenu } from "./PersonMenu";
import { Rail } from "./Rail";
import classes from "./Shell.module.css";
import { TenantSwitcher } from "./TenantSwitcher";

const Palette = lazy(() => import("./Palette"));

/** Shell is the frame of every page for those who are signed in: the rail, which becomes a drawer on a phone, and the page. */
export function Shell({ children }: { children: ReactNode }) {
  const { pathname } = useLocation();
  // On a phone the rail is open for the page it was opened on, so that following a link closes it.
  const [openedOn, setOpenedOn] = useState<string>();
  const opened = openedOn === pathname;
  // Here, not in the palette: keys pressed before its chunk has come must not be lost.
  useHotkeys([["mod+K", () => spotlight.toggle()]], []);
  const main = useRef<HTMLElement>(null);

  return (
    <AppShell
      header={{ height: { base: 56, sm: 0 } }}
      navbar={{ width: 248, breakpoint: "sm", collapsed: { mobile: !opened } }}
      padding={{ base: "md", sm: "xl" }}
      transitionDuration={120}
    >
      <a
        href="#main"
        className={classes.skip}
        onClick={(event) => {
          event.preventDefault();
          main.current?.focus();
        }}
      >
        Skip to the page
      </a>
      <AppShell.Header hiddenFrom="sm" className={classes.header}>
        <Group h="100%" px="md" justify="space-between">
          <Group gap={10}>
            <Logo />
            <Text fw={600}>Signalbox</Text>
          </Group>
          <Burger
            opened={opened}
            onClick={() => setOpenedOn(opened ? undefined : pathname)}
            size="sm"
            aria-label={opened ? "Close menu" : "Open menu"}
          />
        </Group>
      </AppShell.Header>
      <AppShell.Navbar className={classes.rail}>
        <AppShell.Section p="sm">
          <TenantSwitcher />
          <UnstyledButton className={classes.search} onClick={() => spotlight.open()} mt={8}>
            <Search size={15} aria-hidden />
            <span>Find or do</span>
            <kbd className={classes.keys}>{isMac() ? "⌘K" : "Ctrl K"}</kbd>
          </UnstyledButton>
        </AppShell.Section>
        <AppShell.Section grow component={ScrollArea} px="sm">
          <Rail />
        </AppShell.Section>
        <AppShell.Section p="sm" className={classes.foot}>
          <PersonMenu />
        </AppShell.Section>
      </AppShell.Navbar>
      <AppShell.Main id="main" ref={main} tabIndex={-1} className={classes.main}>
        {children}
      </AppShell.Main>
      <Suspense fallback={null}>
        <Palette />
      </Suspense>
    </AppShell>
  );
}

function isMac(): boolean {
  return navigator.userAgent.includes("Mac");
}
