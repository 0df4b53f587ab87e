import { Button, Radio, Stack, TagsInput, Text, Title } from "@mantine/core";
import { useId, useState } from "react";
import type { FieldErrors } from "../problems/fieldErrors";
import { type MayForm, missingSubjects, type NeverForm, type PermissionsForm, type Reach } from "./roleForm";
import classes from "./PermissionFields.module.css";

export type PermissionForm = Omit<PermissionsForm, "answers">;

type PermissionFieldsProps = {
  value: PermissionForm;
  onChange: (change: Partial<PermissionForm>) => void;
  errors: FieldErrors;
  /** Saving was tried, so a list that still lacks its subjects says so. */
  tried: boolean;
  /** Where in the body the permissions are. */
  pointer?: string;
};

/** PermissionFields asks the way people think: what it may publish, what it may hear, what it never may. */
export function PermissionFields({ value, onChange, errors, tried, pointer = "/permissions" }: PermissionFieldsProps) {
  const may = (verb: "publish" | "subscribe") => (
    <May
      verb={verb}
      value={value[verb]}
      onChange={(next) => onChange({ [verb]: next })}
      error={
        errors.at(`${pointer}/${verb}/allow`) ??
        (tried && missingSubjects(value[verb]) ? "Name at least one subject, or choose Nothing." : undefined)
      }
    />
  );
  return (
    <>
      {may("publish")}
      {may("subscribe")}
      <Never
        value={value}
        onChange={(never) => onChange({ never })}
        publishError={errors.at(`${pointer}/publish/deny`)}
        subscribeError={errors.at(`${pointer}/subscribe/deny`)}
      />
    </>
  );
}

const reaches: { value: Reach; label: string }[] = [
  { value: "everything", label: "Everything in the account" },
  { value: "only", label: "Only these subjects" },
  { value: "nothing", label: "Nothing" },
];

type MayProps = {
  verb: "publish" | "subscribe";
  value: MayForm;
  onChange: (value: MayForm) => void;
  error?: string;
};

function May({ verb, value, onChange, error }: MayProps) {
  return (
    <div className={classes.permission}>
      <Radio.Group
        label={verb === "publish" ? "May publish to" : "May subscribe to"}
        value={value.reach}
        onChange={(reach) => onChange({ ...value, reach: reach as Reach })}
      >
        <Stack gap={8} mt={8}>
          {reaches.map((reach) => (
            <Radio key={reach.value} value={reach.value} label={reach.label} />
          ))}
        </Stack>
      </Radio.Group>
      {value.reach === "only" && (
        <SubjectsInput
          label={`Subjects it may ${verb} to`}
          description={
            verb === "publish"
              ? "* stands for one token, > for the rest: orders.*.created, orders.>"
              : "To hear answers to its own requests it needs _INBOX.>. A queue group goes after a space: jobs.> workers"
          }
          placeholder="orders.>"
          queues={verb === "subscribe"}
          value={value.only}
          onChange={(only) => onChange({ ...value, only })}
          error={error}
        />
      )}
    </div>
  );
}

type NeverProps = {
  value: PermissionForm;
  onChange: (value: NeverForm) => void;
  publishError?: string;
  subscribeError?: string;
};

function Never({ value, onChange, publishError, subscribeError }: NeverProps) {
  const heading = useId();
  const { never } = value;
  const [opened, setOpened] = useState(never.publish.length + never.subscribe.length > 0);
  if (value.publish.reach === "nothing" && value.subscribe.reach === "nothing") return null;
  // Each list shows the server's word; where the one-way lists are closed, the common one is the place for it.
  const common = opened ? undefined : [publishError, subscribeError].filter(Boolean).join(" ") || undefined;
  return (
    <div className={classes.permission} role="group" aria-labelledby={heading}>
      <div>
        <Title order={3} id={heading} fw={500}>
          Never
        </Title>
        <Text size="xs" c="dimmed" mt={4}>
          Wins over what it may.
        </Text>
      </div>
      <Stack gap="sm" align="stretch">
        <SubjectsInput
          label="Subjects it never may publish or subscribe to"
          placeholder="audit.>"
          queues
          value={never.both}
          onChange={(both) => onChange({ ...never, both })}
          error={common}
        />
        {opened ? (
          <>
            {value.publish.reach !== "nothing" && (
              <SubjectsInput
                label="Never publish to"
                value={never.publish}
                onChange={(publish) => onChange({ ...never, publish })}
                error={publishError}
              />
            )}
            {value.subscribe.reach !== "nothing" && (
              <SubjectsInput
                label="Never subscribe to"
                queues
                value={never.subscribe}
                onChange={(subscribe) => onChange({ ...never, subscribe })}
                error={subscribeError}
              />
            )}
          </>
        ) : (
          <Button size="compact-sm" variant="subtle" className={classes.more} onClick={() => setOpened(true)}>
            Close one way only…
          </Button>
        )}
      </Stack>
    </div>
  );
}

type SubjectsInputProps = {
  label: string;
  description?: string;
  placeholder?: string;
  /** A queue group may follow its subject after a space, so only a comma or Enter ends an entry. */
  queues?: boolean;
  value: string[];
  onChange: (value: string[]) => void;
  error?: string;
};

function SubjectsInput({ placeholder, queues = false, value, ...rest }: SubjectsInputProps) {
  return (
    <TagsInput
      {...rest}
      placeholder={value.length === 0 ? placeholder : undefined}
      splitChars={queues ? [","] : [",", " "]}
      acceptValueOnBlur
      value={value}
      classNames={{ pill: classes.subject, inputField: classes.subject }}
    />
  );
}
