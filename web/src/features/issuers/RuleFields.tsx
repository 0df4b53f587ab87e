import { ActionIcon, Button, Group, Select, SimpleGrid, Stack, TagsInput, Text, TextInput } from "@mantine/core";
import { ArrowDown, ArrowUp, Plus, Trash2 } from "lucide-react";
import type { OidcCondition } from "../../api/oidcIssuers";
import { DurationInput } from "../../ui/DurationInput";
import type { FieldErrors } from "../problems/fieldErrors";
import { newCondition, type RuleForm } from "./issuerForm";
import classes from "./RuleFields.module.css";
import { matchVerbs } from "./ruleSentence";

type RuleFieldsProps = {
  /** Its place in the list, for the API's pointers and for those who cannot see. */
  index: number;
  count: number;
  value: RuleForm;
  roles: { value: string; label: string }[];
  onChange: (value: RuleForm) => void;
  onMove: (by: -1 | 1) => void;
  onRemove: () => void;
  errors: FieldErrors;
};

const matches = Object.entries(matchVerbs).map(([value, label]) => ({ value, label }));

/** RuleFields edits one rule: what a token has to say, and whom it stands for then. */
export function RuleFields({ index, count, value, roles, onChange, onMove, onRemove, errors }: RuleFieldsProps) {
  const number = index + 1;
  const at = `/rules/${index}`;
  const set = (change: Partial<RuleForm>) => onChange({ ...value, ...change });
  const setCondition = (place: number, change: Partial<OidcCondition>) =>
    set({ conditions: value.conditions.map((one, other) => (other === place ? { ...one, ...change } : one)) });
  const wrong = errors.at(`${at}/conditions`) ?? errors.at(at);
  return (
    <Stack gap="sm" className={classes.rule} role="group" aria-label={`Rule ${number}`}>
      <Group justify="space-between" wrap="nowrap">
        <Text size="sm" fw={600}>
          Rule {number}
        </Text>
        <Group gap={4} wrap="nowrap">
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Move rule ${number} up`}
            data-move={`${value.id} -1`}
            disabled={index === 0}
            onClick={() => onMove(-1)}
          >
            <ArrowUp size={16} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Move rule ${number} down`}
            data-move={`${value.id} 1`}
            disabled={index === count - 1}
            onClick={() => onMove(1)}
          >
            <ArrowDown size={16} />
          </ActionIcon>
          <ActionIcon
            variant="subtle"
            color="gray"
            aria-label={`Remove rule ${number}`}
            disabled={count === 1}
            onClick={onRemove}
          >
            <Trash2 size={16} />
          </ActionIcon>
        </Group>
      </Group>
      <Text size="sm" fw={500}>
        If the token says
      </Text>
      {value.conditions.map((condition, place) => {
        const name = `Rule ${number}, condition ${place + 1}`;
        const there = `${at}/conditions/${place}`;
        return (
          <div key={place} className={classes.condition}>
            <TextInput
              aria-label={`${name}: claim`}
              placeholder="sub"
              className={classes.code}
              autoComplete="off"
              value={condition.claim}
              onChange={(event) => setCondition(place, { claim: event.currentTarget.value })}
              error={errors.at(`${there}/claim`) ?? errors.at(there)}
            />
            <Select
              aria-label={`${name}: how it is compared`}
              data={matches}
              allowDeselect={false}
              value={condition.match}
              onChange={(match) => match && setCondition(place, { match: match as OidcCondition["match"] })}
              error={errors.at(`${there}/match`)}
            />
            <TextInput
              aria-label={`${name}: value`}
              placeholder="repo:acme/*"
              className={`${classes.code} ${classes.value}`}
              autoComplete="off"
              value={condition.value}
              onChange={(event) => setCondition(place, { value: event.currentTarget.value })}
              error={errors.at(`${there}/value`)}
            />
            <ActionIcon
              variant="subtle"
              color="gray"
              size="lg"
              aria-label={`Remove condition ${place + 1} of rule ${number}`}
              disabled={value.conditions.length === 1}
              onClick={() => set({ conditions: value.conditions.filter((_, other) => other !== place) })}
            >
              <Trash2 size={16} />
            </ActionIcon>
          </div>
        );
      })}
      {wrong && (
        <Text size="xs" c="var(--sb-stopped)" role="alert">
          {wrong}
        </Text>
      )}
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<Plus size={14} />}
        style={{ alignSelf: "flex-start" }}
        onClick={() => set({ conditions: [...value.conditions, newCondition] })}
      >
        And
      </Button>
      <SimpleGrid cols={{ base: 1, xs: 2 }} spacing="sm">
        <Select
          label="it stands for a user in the role"
          placeholder="Pick a role"
          searchable
          allowDeselect={false}
          data={roles}
          value={value.roleId || null}
          onChange={(roleId) => roleId && set({ roleId })}
          error={errors.at(`${at}/role_id`)}
        />
        <TextInput
          label="called"
          placeholder="ci-{{repository}}"
          className={classes.code}
          autoComplete="off"
          maxLength={128}
          value={value.name}
          onChange={(event) => set({ name: event.currentTarget.value })}
          error={errors.at(`${at}/name`)}
        />
        <TagsInput
          label="with the tags"
          placeholder={value.tags.length === 0 ? "ref:{{ref}}" : undefined}
          splitChars={[",", " "]}
          acceptValueOnBlur
          value={value.tags}
          onChange={(tags) => set({ tags })}
          error={errors.at(`${at}/tags`)}
        />
        <DurationInput
          label="at most for"
          placeholder="As long as the token"
          value={value.maxLifetime}
          onChange={(maxLifetime) => set({ maxLifetime })}
          error={errors.at(`${at}/max_lifetime`)}
        />
      </SimpleGrid>
    </Stack>
  );
}
