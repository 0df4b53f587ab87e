import { Button, Group, SegmentedControl, Stack, Text } from "@mantine/core";
import { useQuery, useQueryClient } from "@tanstack/react-query";
import { Download, FileKey2 } from "lucide-react";
import { useState } from "react";
import { type Account, type Endpoints, endpointsOf } from "../../api/accounts";
import { issueCredential } from "../../api/credentials";
import { createUser, userNamed } from "../../api/users";
import { CodeBlock } from "../../ui/CodeBlock";
import { Notice } from "../../ui/Notice";
import { Panel } from "../../ui/Panel";
import { PanelSkeleton } from "../../ui/Skeletons";
import { Authority } from "../accounts/Authority";
import { type Transport, transports, websocketFor } from "../accounts/endpoints";
import { downloadFile } from "../creds/download";
import { SecretFile } from "../creds/SecretFile";
import { Loaded } from "../problems/Loaded";
import { ProblemNotice } from "../problems/ProblemNotice";
import { useAct } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { useMay } from "../shell/useTenant";
import classes from "./Connect.module.css";
import { type Language, type Snippet, snippets } from "./snippets";
import { TryItHere } from "./TryItHere";
import { WaitForConnection } from "./WaitForConnection";

/** What "Create creds" made. It lives in this component alone and is forgotten when the page is left. */
export type Issued = { fileName: string; creds: string; publicKey: string };

/** Connect leads from nothing to a first message: language, creds, a program that names both, and the connection seen. */
export function Connect({ account }: { account: Account }) {
  const endpoints = useQuery(endpointsOf(account.id));
  return (
    <Loaded query={endpoints} what="where clients connect" skeleton={<PanelSkeleton lines={8} />}>
      {(data) => <ConnectSteps account={account} endpoints={data} />}
    </Loaded>
  );
}

function ConnectSteps({ account, endpoints }: { account: Account; endpoints: Endpoints }) {
  const [language, setLanguage] = useState<Language>("cli");
  const [issued, setIssued] = useState<Issued>();
  const snippet = snippets.find((candidate) => candidate.language === language) as Snippet;
  const offered = transports(endpoints);
  // What works without further ado; encrypted, if that does.
  const [encrypted, setEncrypted] = useState(!offered.plain || (offered.tls !== undefined && !offered.tls.caFile));
  const transport = (encrypted ? offered.tls : offered.plain) ?? offered.plain ?? offered.tls;
  const mayIssue = useMay("developer");
  return (
    <Stack gap="lg">
      {!transport && (
        <Notice tone="attention" title="No broker offers a URL yet">
          Clients connect to brokers, and none is enrolled where this account lives. Creds made now will work as soon as
          one is.
        </Notice>
      )}
      <Panel title="1. Pick a language">
        <SegmentedControl
          aria-label="Language"
          className={classes.languages}
          data={snippets.map(({ language: value, name }) => ({ value, label: name }))}
          value={language}
          onChange={(value) => setLanguage(value as Language)}
        />
      </Panel>
      <Panel
        title="2. Create creds"
        description="A user of this account and the file that proves to be it. It may publish and subscribe to everything in the account; roles narrow that later."
      >
        {mayIssue ? (
          <CreateCreds account={account} userName={snippet.userName} issued={issued} onIssued={setIssued} />
        ) : (
          <Text size="sm">Viewers cannot issue creds. Ask a developer of your team for a file.</Text>
        )}
      </Panel>
      <Panel
        title="3. Say hello"
        description={
          snippet.run
            ? "The whole program. It sends three messages to itself and prints them."
            : "Two commands, in two terminals, in the folder with the file."
        }
      >
        <Stack gap="sm">
          {offered.plain && offered.tls && (
            <SegmentedControl
              aria-label="Transport"
              className={classes.transport}
              data={[
                { value: "plain", label: "Plain" },
                { value: "tls", label: "With TLS" },
              ]}
              value={encrypted ? "tls" : "plain"}
              onChange={(value) => setEncrypted(value === "tls")}
            />
          )}
          {transport?.caFile && endpoints.ca_pem !== null && <Authority pem={endpoints.ca_pem} />}
          <Program
            snippet={snippet}
            transport={transport ?? { urls: ["nats://127.0.0.1:4222"] }}
            fileName={issued?.fileName}
          />
        </Stack>
      </Panel>
      <Panel title="Or try it right here" description="This page can be the client, too: it speaks WebSocket.">
        <TryItHere creds={issued?.creds} websocketUrl={websocketFor(endpoints, window.location.protocol)} />
      </Panel>
      <div className={classes.watch} data-watching={issued !== undefined}>
        <WaitForConnection account={account.id} publicKey={issued?.publicKey} />
      </div>
    </Stack>
  );
}

type CreateCredsProps = {
  account: Account;
  userName: string;
  issued?: Issued;
  onIssued: (issued: Issued) => void;
};

function CreateCreds({ account, userName, issued, onIssued }: CreateCredsProps) {
  const queryClient = useQueryClient();
  const withKey = useIdempotencyKey();
  const [shown, setShown] = useState(false);
  const { act, pending, problem } = useAct(async () => {
    const body = { name: userName };
    const user =
      (await userNamed(account.id, userName)) ?? (await withKey(body, (key) => createUser(account.id, body, key)));
    const credential = await issueCredential(user.id, { name: "Connect page" });
    const { creds, file_name: fileName } = credential;
    if (creds === undefined || fileName === undefined) throw new Error("The answer holds no creds file.");
    onIssued({ creds, fileName, publicKey: credential.credential.public_key });
    downloadFile(fileName, creds);
    await queryClient.invalidateQueries({ queryKey: ["accounts", account.id, "users"] });
  });

  return (
    <Stack gap="md" align="flex-start">
      {issued && (
        <Stack gap="sm" w="100%" role="status">
          <Group gap="sm" className={classes.file}>
            <FileKey2 size={20} aria-hidden />
            <div style={{ flex: "1 1 12rem", minWidth: 0 }}>
              <Text size="sm" fw={600} ff="monospace" data-testid="creds-file-name">
                {issued.fileName}
              </Text>
              <Text size="xs" c="dimmed">
                Downloaded. It cannot be shown again once you leave this page: keep it like a password.
              </Text>
            </div>
            <Group gap={8}>
              <Button
                size="xs"
                variant="default"
                leftSection={<Download size={14} />}
                onClick={() => downloadFile(issued.fileName, issued.creds)}
              >
                Download again
              </Button>
              <Button size="xs" variant="default" aria-expanded={shown} onClick={() => setShown(!shown)}>
                {shown ? "Hide the file" : "Show the file"}
              </Button>
            </Group>
          </Group>
          {shown && <SecretFile fileName={issued.fileName} content={issued.creds} />}
        </Stack>
      )}
      {problem && <ProblemNotice problem={problem} title="Could not create creds" onRetry={act} />}
      <Button variant={issued ? "default" : "filled"} loading={pending} onClick={act}>
        {issued ? "Create more creds" : "Create creds"}
      </Button>
    </Stack>
  );
}

function Program({ snippet, transport, fileName }: { snippet: Snippet; transport: Transport; fileName?: string }) {
  const { language, name, install, run } = snippet;
  return (
    <Stack gap="sm">
      {!fileName && (
        <Text size="sm" c="dimmed">
          The file's name is filled in when you have created creds.
        </Text>
      )}
      <div>
        <Text size="xs" c="dimmed" mb={4}>
          Once
        </Text>
        <CodeBlock label={`Install for ${name}`} code={install} />
      </div>
      <CodeBlock
        label={run ? `${name} program` : "nats commands"}
        code={snippet.code(transport, fileName ?? `${snippet.userName}.creds`)}
        testId={`snippet-${language}`}
      />
      {run && (
        <div>
          <Text size="xs" c="dimmed" mb={4}>
            Beside the creds file
          </Text>
          <CodeBlock label={`Run the ${name} program`} code={run} />
        </div>
      )}
    </Stack>
  );
}
