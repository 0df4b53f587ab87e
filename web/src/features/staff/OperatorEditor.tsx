import { Button, Drawer, Group, Stack, Switch, TagsInput, Textarea, TextInput } from "@mantine/core";
import { useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { createOperator, type Operator, operators, updateOperator } from "../../api/operators";
import { Notice } from "../../ui/Notice";
import { ChangeProblem } from "../problems/ChangeProblem";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct, useFocusOnError } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";

type OperatorEditorProps = {
  /** Absent: a new operator. */
  operator?: Operator;
  onClose: () => void;
};

export function OperatorDrawer({ opened, ...editor }: OperatorEditorProps & { opened: boolean }) {
  return (
    <Drawer
      opened={opened}
      onClose={editor.onClose}
      position="right"
      size={560}
      title={editor.operator ? `Edit ${editor.operator.name}` : "Create operator"}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      <OperatorEditor {...editor} />
    </Drawer>
  );
}

export function OperatorEditor({ operator, onClose }: OperatorEditorProps) {
  const queryClient = useQueryClient();
  // The list is read again all the time; a change by someone else is refused by the etag of what was begun with.
  const [base] = useState(operator);
  const [form, setForm] = useState({
    name: base?.name ?? "",
    description: base?.description ?? "",
    tags: base?.tags ?? [],
    first_account: base?.first_account ?? true,
  });
  const set = (change: Partial<typeof form>) => setForm((current) => ({ ...current, ...change }));
  const withKey = useIdempotencyKey();
  const { act, pending, problem } = useAct(async () => {
    const body = { ...form, name: form.name.trim(), description: form.description.trim() };
    await (base ? updateOperator(base, body) : withKey(body, (key) => createOperator(body, key)));
    await queryClient.invalidateQueries({ queryKey: operators.queryKey, exact: true });
    onClose();
  });
  const formRef = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, ["/name", "/description", "/tags", "/first_account"]);
  return (
    <form
      ref={formRef}
      noValidate
      aria-label={base ? `Edit ${base.name}` : "Create operator"}
      onSubmit={(event) => {
        event.preventDefault();
        act();
      }}
    >
      <Stack gap="md">
        <TextInput
          label="Name"
          value={form.name}
          maxLength={64}
          onChange={(event) => set({ name: event.currentTarget.value })}
          error={errors.at("/name")}
        />
        <Textarea
          label="Description"
          autosize
          minRows={2}
          value={form.description}
          maxLength={512}
          onChange={(event) => set({ description: event.currentTarget.value })}
          error={errors.at("/description")}
        />
        <TagsInput
          label="Tags"
          description="In its JWT, in lower case, such as region:eu."
          splitChars={[",", " "]}
          acceptValueOnBlur
          value={form.tags}
          onChange={(tags) => set({ tags: tags.map((tag) => tag.toLowerCase()) })}
          error={errors.at("/tags")}
        />
        <Switch
          label="Who signs up gets an account under it"
          description="While it is the default operator."
          checked={form.first_account}
          onChange={(event) => set({ first_account: event.currentTarget.checked })}
          error={errors.at("/first_account")}
        />
        <Notice tone="info">
          {base
            ? "Its JWT is signed anew. Brokers take that within seconds; attached nats-servers read it when they start."
            : "It gets a signing key and a system account of its own. Brokers enrol under it with a token for it."}
        </Notice>
        <ChangeProblem problem={problem} errors={errors} meanwhile="Someone changed this operator meanwhile">
          Close and look again.
        </ChangeProblem>
        <Group justify="flex-end" gap="sm">
          <Button variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button type="submit" loading={pending}>
            {base ? "Save operator" : "Create operator"}
          </Button>
        </Group>
      </Stack>
    </form>
  );
}
