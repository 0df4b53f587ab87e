import { ActionIcon, Button, Group, Select, Stack, Text, TextInput } from "@mantine/core";
import { Plus, Trash2 } from "lucide-react";
import type { FieldErrors } from "../problems/fieldErrors";
import classes from "./TimeFields.module.css";

export type TimesForm = { zone: string; ranges: { start: string; end: string }[] };

type TimeFieldsProps = { value: TimesForm; onChange: (value: TimesForm) => void; errors: FieldErrors };

/** TimeFields asks at which times of day clients may be connected; without a range, always. */
export function TimeFields({ value, onChange, errors }: TimeFieldsProps) {
  const setRange = (index: number, change: Partial<TimesForm["ranges"][number]>) =>
    onChange({ ...value, ranges: value.ranges.map((range, at) => (at === index ? { ...range, ...change } : range)) });
  const errorAt = (index: number, part: string) => errors.at(`/times/${index}/${part}`);
  return (
    <Stack gap="sm" role="group" aria-label="Times of day">
      <div>
        <Text size="sm" fw={500}>
          Times of day
        </Text>
        <Text size="xs" c="dimmed">
          {value.ranges.length === 0
            ? "None: at any time."
            : "Outside of them nobody gets in, and who is connected is disconnected when the time is over."}
        </Text>
      </div>
      {value.ranges.map((range, index) => (
        <Group key={index} gap="sm" align="flex-start" wrap="nowrap">
          <TextInput
            type="time"
            step={1}
            aria-label={`Range ${index + 1}: from`}
            value={range.start}
            onChange={(event) => setRange(index, { start: withSeconds(event.currentTarget.value) })}
            error={errorAt(index, "start") ?? errors.at(`/times/${index}`)}
            className={classes.time}
          />
          <Text size="sm" mt={8}>
            to
          </Text>
          <TextInput
            type="time"
            step={1}
            aria-label={`Range ${index + 1}: to`}
            value={range.end}
            onChange={(event) => setRange(index, { end: withSeconds(event.currentTarget.value) })}
            error={errorAt(index, "end")}
            className={classes.time}
          />
          <ActionIcon
            variant="subtle"
            color="gray"
            size="lg"
            aria-label={`Remove range ${index + 1}`}
            onClick={() => onChange({ ...value, ranges: value.ranges.filter((_, at) => at !== index) })}
          >
            <Trash2 size={16} />
          </ActionIcon>
        </Group>
      ))}
      {errors.at("/times") && (
        <Text size="xs" c="var(--sb-stopped)" role="alert">
          {errors.at("/times")}
        </Text>
      )}
      {value.ranges.length > 0 && (
        <Select
          label="Time zone"
          description="Whose clock the times are read on."
          searchable
          data={zones(value.zone)}
          value={value.zone}
          onChange={(zone) => onChange({ ...value, zone: zone ?? "UTC" })}
          error={errors.at("/time_zone")}
          maw={320}
        />
      )}
      <Button
        size="compact-sm"
        variant="default"
        leftSection={<Plus size={14} />}
        style={{ alignSelf: "flex-start" }}
        onClick={() =>
          onChange({
            zone: value.ranges.length === 0 ? value.zone || ownZone() : value.zone,
            ranges: [...value.ranges, { start: "08:00:00", end: "18:00:00" }],
          })
        }
      >
        Add a time of day
      </Button>
    </Stack>
  );
}

function ownZone(): string {
  return Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}

/** zones are those the browser knows, UTC first, and the one that is set even if the browser does not know it. */
function zones(current: string): string[] {
  return [...new Set(["UTC", ...(current ? [current] : []), ...Intl.supportedValuesOf("timeZone")])];
}

/** Browsers leave the seconds out when they are 0; NATS wants them. */
function withSeconds(time: string): string {
  return /^\d\d:\d\d$/.test(time) ? `${time}:00` : time;
}
