import { ActionIcon, Button, Group, NumberInput, Stack, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import { Status } from "../../ui/Status";
import type { FieldErrors } from "../problems/fieldErrors";
import { type DestinationForm, type MappingForm, newDestination, sumWords, weightSums } from "./mappingForm";
import classes from "./MappingFields.module.css";

type MappingFieldsProps = {
  /** Its place in the list, for the API's pointers and for those who cannot see. */
  index: number;
  value: MappingForm;
  onChange: (value: MappingForm) => void;
  onRemove: () => void;
  errors: FieldErrors;
  /** Where in the body the list is. */
  pointer: string;
};

/** MappingFields edits one mapping: a subject, where its messages go instead, and by which weights. */
export function MappingFields({ index, value, onChange, onRemove, errors, pointer }: MappingFieldsProps) {
  const number = index + 1;
  const at = `${pointer}/${index}`;
  const setDestination = (place: number, change: Partial<DestinationForm>) =>
    onChange({
      ...value,
      destinations: value.destinations.map((one, other) => (other === place ? { ...one, ...change } : one)),
    });
  return (
    <div className={classes.mapping} role="group" aria-label={`Mapping ${number}`}>
      <Group gap="sm" align="flex-end" wrap="nowrap">
        <TextInput
          label="Messages published to"
          placeholder="orders.*"
          className={classes.subject}
          value={value.subject}
          onChange={(event) => onChange({ ...value, subject: event.currentTarget.value })}
          error={errors.at(`${at}/subject`) ?? errors.at(at)}
        />
        <ActionIcon variant="subtle" color="gray" size="lg" aria-label={`Remove mapping ${number}`} onClick={onRemove}>
          <Trash2 size={16} />
        </ActionIcon>
      </Group>
      <Stack gap="sm" className={classes.destinations}>
        {value.destinations.map((destination, place) => {
          const name = `Mapping ${number}, destination ${place + 1}`;
          const there = `${at}/destinations/${place}`;
          return (
            <div key={place} className={classes.destination}>
              <TextInput
                label={place === 0 ? "Go to" : undefined}
                aria-label={`${name}: subject`}
                placeholder="orders.v2.{{wildcard(1)}}"
                className={classes.subject}
                value={destination.subject}
                onChange={(event) => setDestination(place, { subject: event.currentTarget.value })}
                error={errors.at(`${there}/subject`) ?? errors.at(there)}
              />
              <NumberInput
                label={place === 0 ? "Weight" : undefined}
                aria-label={`${name}: weight`}
                min={0}
                max={100}
                clampBehavior="none"
                allowDecimal={false}
                allowNegative={false}
                hideControls
                suffix=" %"
                value={destination.weight}
                onChange={(next) => setDestination(place, { weight: typeof next === "number" ? next : 0 })}
                error={errors.at(`${there}/weight`)}
              />
              <TextInput
                label={place === 0 ? "In cluster" : undefined}
                aria-label={`${name}: cluster`}
                placeholder="All"
                value={destination.cluster}
                onChange={(event) => setDestination(place, { cluster: event.currentTarget.value })}
                error={errors.at(`${there}/cluster`)}
              />
              <ActionIcon
                variant="subtle"
                color="gray"
                size="lg"
                aria-label={`Remove destination ${place + 1} of mapping ${number}`}
                disabled={value.destinations.length === 1}
                onClick={() =>
                  onChange({ ...value, destinations: value.destinations.filter((_, other) => other !== place) })
                }
              >
                <Trash2 size={16} />
              </ActionIcon>
            </div>
          );
        })}
        <Group justify="space-between" gap="sm">
          <Button
            size="compact-sm"
            variant="default"
            leftSection={<Plus size={14} />}
            onClick={() =>
              onChange({ ...value, destinations: [...value.destinations, { ...newDestination, weight: 0 }] })
            }
          >
            Add a destination
          </Button>
          <Stack gap={2} aria-live="polite">
            {weightSums(value).map((sum) => (
              <Status
                key={sum.cluster}
                tone={sum.sum > 100 ? "stopped" : sum.sum === 100 ? "ok" : "attention"}
              >{`Weights: ${sumWords(sum)}`}</Status>
            ))}
          </Stack>
        </Group>
      </Stack>
    </div>
  );
}
