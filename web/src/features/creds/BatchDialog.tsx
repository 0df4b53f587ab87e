import {
  Button,
  Group,
  NumberInput,
  Progress,
  SegmentedControl,
  Select,
  Stack,
  Switch,
  Text,
  Textarea,
  TextInput,
} from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Download } from "lucide-react";
import { useState } from "react";
import type { CredentialBatchIssue, IssuedLine } from "../../api/batches";
import { rolesOf } from "../../api/roles";
import { formatCount, plural } from "../../ui/format";
import { Notice } from "../../ui/Notice";
import { type Loss, OnceDialog } from "../../ui/OnceDialog";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { ProblemNotice } from "../problems/ProblemNotice";
import { roleSentence } from "../roles/roleSentence";
import { downloadFile } from "./download";
import { expiresIn, lifetimes } from "./expiry";
import { type Batch, useBatch } from "./useBatch";
import { zip } from "./zip";

type BatchDialogProps = { account: string; opened: boolean; onClose: () => void };

const unsavedFiles: Loss = {
  title: "You have not saved these files",
  consequence: "Closing forgets them. The credentials that were issued stay, but nobody could use them.",
  anyway: "Close without saving",
};

/** BatchDialog issues creds to many users at once, shows how far it is, and hands all files over, once. */
export function BatchDialog({ account, opened, onClose }: BatchDialogProps) {
  return opened ? <OpenBatchDialog account={account} onClose={onClose} /> : null;
}

function OpenBatchDialog({ account, onClose }: { account: string; onClose: () => void }) {
  const queryClient = useQueryClient();
  const batch = useBatch(account);
  const [total, setTotal] = useState(0);
  const [saved, setSaved] = useState(0);

  function close() {
    onClose();
    if (batch.count > 0) void queryClient.invalidateQueries({ queryKey: ["accounts", account] });
  }
  return (
    <OnceDialog
      opened
      title="Issue creds to many users"
      form={
        <BatchForm
          account={account}
          batch={batch}
          onStart={(body, count) => {
            setTotal(count);
            batch.start(body);
          }}
          onCancel={close}
        />
      }
      loss={(batch.count > saved || batch.state === "running") && unsavedFiles}
      verb={batch.state === "done" ? "Done" : "Close"}
      onClose={close}
    >
      {batch.state !== "idle" && (
        <>
          <BatchProgress batch={batch} total={total} />
          {batch.count > 0 && batch.state !== "running" && (
            <Files account={account} lines={batch.lines} onSaved={() => setSaved(batch.count)} />
          )}
        </>
      )}
    </OnceDialog>
  );
}

function BatchProgress({ batch, total }: { batch: Batch; total: number }) {
  const { state, count, problem } = batch;
  return (
    <Stack gap="sm">
      <div>
        <Group justify="space-between" mb={6}>
          <Text size="sm" fw={500} role="status">
            {state === "done" ? "All issued" : state === "broken" ? "Broken off" : "Issuing…"}
          </Text>
          <Text size="sm" style={{ fontVariantNumeric: "tabular-nums" }}>
            {formatCount(count)} of {formatCount(total)}
          </Text>
        </Group>
        <Progress value={total > 0 ? (count / total) * 100 : 0} aria-label="Creds issued" transitionDuration={0} />
      </div>
      {state === "broken" && problem && (
        <>
          <ProblemNotice problem={problem} title={`Broke off after ${plural(count, "file")}`} />
          <Group gap="sm">
            <Button onClick={batch.resume}>Go on</Button>
            <Text size="sm" c="dimmed">
              What has come is kept, and nothing is issued twice.
            </Text>
          </Group>
        </>
      )}
    </Stack>
  );
}

function Files({ account, lines, onSaved }: { account: string; lines: readonly IssuedLine[]; onSaved: () => void }) {
  const files = lines.flatMap(({ creds, file_name, user }) =>
    creds === undefined ? [] : [{ name: file_name ?? `${user}.creds`, content: creds }],
  );
  return (
    <Stack gap="sm">
      <Notice tone="attention">
        This is the only time we can hand you {files.length === 1 ? "this file" : "these files"}: we keep no copy of the
        seeds. Save them now.
      </Notice>
      <Group gap="sm">
        <Button
          leftSection={<Download size={16} />}
          onClick={() => {
            downloadFile(`creds-${account}.zip`, zip(files));
            onSaved();
          }}
        >
          Download zip
        </Button>
        <Button
          variant="default"
          leftSection={<Download size={16} />}
          onClick={() => {
            downloadFile(`creds-${account}.ndjson`, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
            onSaved();
          }}
        >
          Download NDJSON
        </Button>
      </Group>
    </Stack>
  );
}

type BatchFormProps = {
  account: string;
  batch: Batch;
  onStart: (body: CredentialBatchIssue, total: number) => void;
  onCancel: () => void;
};

function BatchForm({ account, batch, onStart, onCancel }: BatchFormProps) {
  const roles = useInfiniteQuery(rolesOf(account));
  const allRoles = roles.data?.pages.flatMap((page) => page.items) ?? [];
  const [naming, setNaming] = useState<"numbered" | "list">("numbered");
  const [prefix, setPrefix] = useState("device-");
  const [count, setCount] = useState<number | "">(100);
  const [list, setList] = useState("");
  const [exist, setExist] = useState(false);
  const [roleId, setRoleId] = useState<string | null>(null);
  const [expiry, setExpiry] = useState("");
  const role = allRoles.find(({ id, name }) => (roleId ? id === roleId : name === "default"));
  const names = list.split(/[\s,]+/).filter((name) => name !== "");
  const numbered = naming === "numbered";
  const total = numbered ? Number(count) : names.length;
  const { problem } = batch;
  const errors = placeFieldErrors(
    problem,
    [...(numbered ? ["/name_prefix", "/count"] : ["/names", "/create_users"]), "/role_id", "/expires_in"],
    (pointer) => names[Number(pointer.split("/")[2])],
  );
  return (
    <ActForm
      verb={`Issue ${plural(total, "file")}`}
      disabled={total < 1}
      pending={false}
      problem={problem}
      errors={errors}
      onSubmit={() => {
        const create = numbered || !exist;
        onStart(
          {
            ...(numbered ? { name_prefix: prefix.trim(), count: Number(count) } : { names }),
            create_users: create,
            ...(create && role && { role_id: role.id }),
            expires_in: expiresIn(expiry),
          },
          total,
        );
      }}
      onCancel={onCancel}
    >
      <SegmentedControl
        aria-label="Names of the users"
        data={[
          { value: "numbered", label: "Numbered" },
          { value: "list", label: "By a list" },
        ]}
        value={naming}
        onChange={(next) => setNaming(next as typeof naming)}
      />
      {numbered ? (
        <Group gap="sm" align="flex-start" grow>
          <TextInput
            label="Names begin with"
            description={`${prefix}${firstNumber(total)} and so on`}
            data-autofocus
            value={prefix}
            onChange={(event) => setPrefix(event.currentTarget.value)}
            error={errors.at("/name_prefix")}
          />
          <NumberInput
            label="How many"
            description="At most 10,000"
            min={1}
            allowDecimal={false}
            allowNegative={false}
            thousandSeparator=","
            hideControls
            value={count}
            onChange={(next) => setCount(typeof next === "number" ? next : "")}
            error={errors.at("/count")}
          />
        </Group>
      ) : (
        <>
          <Textarea
            label="Names of the users"
            description={`One a line; ${plural(names.length, "name")}`}
            autosize
            minRows={4}
            maxRows={10}
            value={list}
            onChange={(event) => setList(event.currentTarget.value)}
            error={errors.at("/names")}
          />
          <Switch
            label="These users are there already"
            description="Otherwise they are made."
            checked={exist}
            onChange={(event) => setExist(event.currentTarget.checked)}
            error={errors.at("/create_users")}
          />
        </>
      )}
      {(numbered || !exist) && (
        <Select
          label="Role"
          data={allRoles.map(({ id, name }) => ({ value: id, label: name }))}
          value={role?.id ?? null}
          onChange={setRoleId}
          description={role && roleSentence(role)}
          inputWrapperOrder={["label", "input", "description", "error"]}
          error={errors.at("/role_id")}
        />
      )}
      <Select
        label="Expiry"
        data={lifetimes}
        value={expiry}
        onChange={(next) => setExpiry(next ?? "")}
        error={errors.at("/expires_in")}
      />
    </ActForm>
  );
}

/** firstNumber is 1 as the API writes it: with zeros before, so that all names are of one length. */
function firstNumber(total: number): string {
  return "1".padStart(String(Math.max(total, 1)).length, "0");
}
