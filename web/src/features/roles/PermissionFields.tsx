import { Radio, Stack, TagsInput } from "@mantine/core";
import type { PermissionForm, Reach } from "./roleForm";
import classes from "./PermissionFields.module.css";

type PermissionFieldsProps = {
  verb: "publish" | "subscribe";
  value: PermissionForm;
  onChange: (value: PermissionForm) => void;
  allowError?: string;
  denyError?: string;
};

const reaches: { value: Reach; label: string }[] = [
  { value: "everything", label: "Everything in the account" },
  { value: "only", label: "Only these subjects" },
  { value: "nothing", label: "Nothing" },
];

/** PermissionFields asks the way people think: how far it reaches, and what is off limits all the same. */
export function PermissionFields({ verb, value, onChange, allowError, denyError }: PermissionFieldsProps) {
  const to = verb === "publish" ? "May publish to" : "May subscribe to";
  // A queue group follows its subject after a space, so only a comma or Enter ends an entry there.
  const splitChars = verb === "publish" ? [",", " "] : [","];
  return (
    <div className={classes.permission}>
      <Radio.Group label={to} value={value.reach} onChange={(reach) => onChange({ ...value, reach: reach as Reach })}>
        <Stack gap={8} mt={8}>
          {reaches.map((reach) => (
            <Radio key={reach.value} value={reach.value} label={reach.label} />
          ))}
        </Stack>
      </Radio.Group>
      <Stack gap="sm">
        {value.reach === "only" && (
          <TagsInput
            label={`Subjects it may ${verb} to`}
            description={
              verb === "publish"
                ? "* stands for one token, > for the rest: orders.*.created, orders.>"
                : "To hear answers to its own requests it needs _INBOX.>"
            }
            placeholder={value.only.length === 0 ? "orders.>" : undefined}
            splitChars={splitChars}
            acceptValueOnBlur
            value={value.only}
            onChange={(only) => onChange({ ...value, only })}
            error={allowError}
            classNames={{ pill: classes.subject, inputField: classes.subject }}
          />
        )}
        {value.reach !== "nothing" && (
          <TagsInput
            label={`Never ${verb} to`}
            description="Wins over what it may."
            splitChars={splitChars}
            acceptValueOnBlur
            value={value.never}
            onChange={(never) => onChange({ ...value, never })}
            error={denyError}
            classNames={{ pill: classes.subject, inputField: classes.subject }}
          />
        )}
      </Stack>
    </div>
  );
}
