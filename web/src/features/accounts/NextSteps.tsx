import { Stack, Text } from "@mantine/core";
import { KeySquare, type LucideIcon, Plug, ShieldCheck } from "lucide-react";
import type { ReactNode } from "react";
import type { Account } from "../../api/accounts";
import { TextLink } from "../../ui/links";
import classes from "./NextSteps.module.css";

export function NextSteps({ tenant, account }: { tenant: string; account?: Account }) {
  return (
    <Stack gap="md">
      {account && (
        <>
          <Step icon={Plug} text="Creds and a program that says hello, in a minute.">
            <TextLink to="/accounts/$account/connect" params={{ account: account.id }} fw={500}>
              Connect a client to {account.name}
            </TextLink>
          </Step>
          <Step icon={ShieldCheck} text="Roles decide what each user may publish and hear, even after creds are out.">
            <TextLink to="/accounts/$account/roles" params={{ account: account.id }} fw={500}>
              Say who may do what
            </TextLink>
          </Step>
        </>
      )}
      <Step icon={KeySquare} text="Everything on these pages is also in the REST API.">
        <TextLink to="/t/$tenant/api-tokens" params={{ tenant }} fw={500}>
          Provision from a program
        </TextLink>
      </Step>
    </Stack>
  );
}

function Step({ icon: Icon, text, children }: { icon: LucideIcon; text: string; children: ReactNode }) {
  return (
    <div className={classes.step}>
      <Icon size={18} aria-hidden className={classes.icon} />
      <div>
        {children}
        <Text size="sm" c="dimmed">
          {text}
        </Text>
      </div>
    </div>
  );
}
