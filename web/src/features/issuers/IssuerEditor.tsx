import { Button, Group, Stack, TagsInput, Text, TextInput, VisuallyHidden } from "@mantine/core";
import { useInfiniteQuery, useQueryClient } from "@tanstack/react-query";
import { Plus } from "lucide-react";
import { useEffect, useState } from "react";
import type { Account } from "../../api/accounts";
import { dryRunOidcIssuer } from "../../api/dryRun";
import { createOidcIssuer, type OidcIssuer, oidcIssuersOf, updateOidcIssuer } from "../../api/oidcIssuers";
import { rolesOf } from "../../api/roles";
import { DeliveryProgress } from "../accounts/DeliveryProgress";
import { DryRunPreview } from "../dryrun/DryRunPreview";
import { ChangeProblem } from "../problems/ChangeProblem";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct, useFocusOnError } from "../problems/useAct";
import { useIdempotencyKey } from "../problems/useIdempotencyKey";
import { bodyOf, formOf, type IssuerForm, moved, newIssuer, newRule, pointersOf, type RuleForm } from "./issuerForm";
import classes from "./RuleFields.module.css";
import { RuleFields } from "./RuleFields";

type IssuerEditorProps = { account: Account; issuer?: OidcIssuer; readOnly: boolean; onClose: () => void };

/** IssuerEditor adds an issuer, or edits one and then shows the brokers taking it up. */
export function IssuerEditor({ account, issuer, readOnly, onClose }: IssuerEditorProps) {
  const queryClient = useQueryClient();
  const withKey = useIdempotencyKey();
  const roles = useInfiniteQuery(rolesOf(account.id));
  const [base, setBase] = useState(issuer);
  const [form, setForm] = useState<IssuerForm>(() => (issuer ? formOf(issuer) : newIssuer()));
  const [saved, setSaved] = useState(false);
  const [move, setMove] = useState<{ id: number; by: -1 | 1; words: string }>();
  const set = (change: Partial<IssuerForm>) => {
    setSaved(false);
    setForm((current) => ({ ...current, ...change }));
  };
  const setRule = (rule: RuleForm) => set({ rules: form.rules.map((other) => (other.id === rule.id ? rule : other)) });

  const body = bodyOf(form);
  const { act, pending, problem } = useAct(async () => {
    if (base) {
      const updated = await updateOidcIssuer(base, body);
      setBase(updated);
      setForm(formOf(updated));
      setSaved(true);
    } else {
      await withKey(body, (key) => createOidcIssuer(account.id, body, key));
      onClose();
    }
    await queryClient.invalidateQueries({ queryKey: oidcIssuersOf(account.id).queryKey });
  });
  const formRef = useFocusOnError(problem);
  const errors = placeFieldErrors(problem, pointersOf(form));

  // The rule that was moved takes the focus along, so that the same key moves it further.
  useEffect(() => {
    if (!move) return;
    const button = (by: number) => formRef.current?.querySelector<HTMLButtonElement>(`[data-move="${move.id} ${by}"]`);
    const again = button(move.by);
    (again?.disabled ? button(-move.by) : again)?.focus();
  }, [move, formRef]);

  const options = (roles.data?.pages.flatMap((page) => page.items) ?? [])
    .filter((role) => !role.private)
    .map((role) => ({ value: role.id, label: role.name }));

  return (
    <form
      ref={formRef}
      noValidate
      aria-label={base ? `Issuer ${base.url}` : "New issuer"}
      onSubmit={(event) => {
        event.preventDefault();
        setSaved(false);
        act();
      }}
    >
      <Stack gap="lg">
        <fieldset disabled={readOnly} style={{ border: 0, margin: 0, padding: 0, minWidth: 0 }}>
          <Stack gap="md">
            <TextInput
              label="URL"
              description="Exactly as the issuer's tokens have it in iss. Its keys are read before it is saved."
              placeholder="https://token.actions.githubusercontent.com"
              type="url"
              className={classes.code}
              autoComplete="off"
              maxLength={512}
              data-autofocus={base ? undefined : true}
              value={form.url}
              onChange={(event) => set({ url: event.currentTarget.value })}
              error={errors.at("/url")}
            />
            <TextInput
              label="What it is for"
              description="Optional."
              placeholder="The pipelines of our team"
              maxLength={512}
              value={form.description}
              onChange={(event) => set({ description: event.currentTarget.value })}
              error={errors.at("/description")}
            />
            <TagsInput
              label="Audiences"
              description="A token needs one of them in aud: else one that is meant for somebody else would do."
              placeholder={form.audiences.length === 0 ? "nats" : undefined}
              splitChars={[",", " "]}
              acceptValueOnBlur
              value={form.audiences}
              onChange={(audiences) => set({ audiences })}
              error={errors.at("/audiences")}
            />
            <div>
              <Text size="sm" fw={500} mt="xs">
                Whom its tokens stand for
              </Text>
              <Text size="xs" c="dimmed">
                The first rule whose conditions all hold counts; without one, the client stays out. In names and tags,{" "}
                <code>{"{{claim}}"}</code> stands for what the token says. Where the issuer signs for others, too, ask
                for what only your tokens have.
              </Text>
            </div>
            {form.rules.map((rule, index) => (
              <RuleFields
                key={rule.id}
                index={index}
                count={form.rules.length}
                value={rule}
                roles={options}
                errors={errors}
                onChange={setRule}
                onMove={(by) => {
                  set({ rules: moved(form.rules, index, index + by) });
                  setMove({ id: rule.id, by, words: `Now rule ${index + by + 1} of ${form.rules.length}` });
                }}
                onRemove={() => set({ rules: form.rules.filter((other) => other !== rule) })}
              />
            ))}
            <VisuallyHidden aria-live="polite">{move?.words}</VisuallyHidden>
            {errors.at("/rules") && (
              <Text size="xs" c="var(--sb-stopped)" role="alert">
                {errors.at("/rules")}
              </Text>
            )}
            {!readOnly && (
              <Button
                variant="default"
                leftSection={<Plus size={16} />}
                style={{ alignSelf: "flex-start" }}
                onClick={() => set({ rules: [...form.rules, newRule()] })}
              >
                Add a rule
              </Button>
            )}
          </Stack>
        </fieldset>
        <ChangeProblem problem={problem} errors={errors} meanwhile="Someone changed this issuer meanwhile">
          Close and open it again to see what it says now.
        </ChangeProblem>
        {saved && base && <DeliveryProgress key={base.etag} account={account.id} />}
        {!readOnly && base && <DryRunPreview body={body} run={() => dryRunOidcIssuer(base, body)} />}
        {!readOnly && (
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onClose}>
              {saved ? "Close" : "Cancel"}
            </Button>
            <Button type="submit" loading={pending}>
              {base ? "Save issuer" : "Add issuer"}
            </Button>
          </Group>
        )}
      </Stack>
    </form>
  );
}
