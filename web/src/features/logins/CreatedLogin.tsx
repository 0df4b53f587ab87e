import { SegmentedControl, Stack, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { useState } from "react";
import { endpointsOf } from "../../api/accounts";
import type { DeviceLoginCreated } from "../../api/deviceLogins";
import { CodeBlock } from "../../ui/CodeBlock";
import { CopyButton } from "../../ui/CopyButton";
import { Facts } from "../../ui/Facts";
import { Key } from "../../ui/Key";
import { Notice } from "../../ui/Notice";
import { PanelSkeleton } from "../../ui/Skeletons";
import { Authority } from "../accounts/Authority";
import { authorityFile } from "../accounts/endpoints";
import { Loaded } from "../problems/Loaded";
import { loginSnippets } from "./loginSnippets";

/** CreatedLogin shows a login's secret, this once, and how clients use it. It leaves the secret nowhere. */
export function CreatedLogin({ created, onSaved }: { created: DeviceLoginCreated; onSaved: () => void }) {
  const { device_login: login, secret, warning } = created;
  const endpoints = useQuery(endpointsOf(login.account_id));
  const [client, setClient] = useState("nats");
  return (
    <Stack gap="md">
      {warning && <Notice tone="attention">{warning}</Notice>}
      {secret !== undefined && (
        <Stack gap="sm">
          <Notice tone="attention">
            This is the only time we can show you this secret: we keep no more than a hash of it. If it is lost, create
            another login and revoke this one.
          </Notice>
          {login.kind === "password" && <Facts items={[["User name", <code key="username">{login.username}</code>]]} />}
          <CodeBlock label={login.kind} code={secret} testId="login-secret" onCopied={onSaved} />
          <div>
            <CopyButton text={secret} onCopied={onSaved}>{`Copy the ${login.kind}`}</CopyButton>
          </div>
        </Stack>
      )}
      {secret === undefined && (
        <Stack gap="sm">
          <Text size="sm">
            {login.kind === "nkey"
              ? "The client signs with its seed, which stays with it."
              : "The client shows its certificate, and keeps the certificate's key."}{" "}
            As user name or token it sends the account's public key, which says where it wants to log in.
          </Text>
          <Facts
            items={[["User name", <Key key="username" value={login.username ?? ""} what="account's public key" />]]}
          />
        </Stack>
      )}
      <Loaded query={endpoints} what="where clients connect" skeleton={<PanelSkeleton lines={2} />}>
        {(at) => {
          const snippets = loginSnippets(created, at);
          const shown = snippets.find((snippet) => snippet.client === client) ?? snippets[0];
          return (
            <Stack gap="sm">
              <SegmentedControl
                aria-label="Client"
                data={snippets.map((snippet) => snippet.client)}
                value={shown?.client}
                onChange={setClient}
              />
              {shown?.code.includes(authorityFile) && at.ca_pem !== null && <Authority pem={at.ca_pem} />}
              {shown && <CodeBlock label={`${shown.client} snippet`} code={shown.code} testId="login-snippet" />}
            </Stack>
          );
        }}
      </Loaded>
    </Stack>
  );
}
