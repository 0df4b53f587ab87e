import { Checkbox, NumberInput, Stack, Text } from "@mantine/core";
import type { ConnectionType } from "../../api/roles";
import type { FieldErrors } from "../problems/fieldErrors";
import { connectionTypeNames } from "../roles/roleSentence";
import type { AccountForm } from "./accountForm";
import classes from "./ConnectionTypeFields.module.css";

type ConnectionTypeFieldsProps = {
  /** Without `perType` they are not counted apart. */
  value: Pick<AccountForm, "connectionTypes"> & Partial<Pick<AccountForm, "perType">>;
  onChange: (change: Partial<Pick<AccountForm, "connectionTypes" | "perType">>) => void;
  /** What is used of a type now, in words. */
  uses?: Map<string, string>;
  errors: FieldErrors;
  disabled?: boolean;
};

/** ConnectionTypeFields asks over what clients may connect, and how many at once over each. */
export function ConnectionTypeFields({ value, onChange, uses, errors, disabled }: ConnectionTypeFieldsProps) {
  const { connectionTypes, perType } = value;
  const all = connectionTypes.length === 0;
  return (
    <Stack gap="md">
      <Checkbox
        label="Every way there is"
        checked={all}
        disabled={disabled}
        onChange={(event) => onChange({ connectionTypes: event.currentTarget.checked ? [] : ["STANDARD"] })}
      />
      {errors.at("/connection_types") && (
        <Text size="xs" c="var(--sb-stopped)" role="alert">
          {errors.at("/connection_types")}
        </Text>
      )}
      <div className={classes.types}>
        {Object.entries(connectionTypeNames).map(([key, words]) => {
          const type = key as ConnectionType;
          const name = words.charAt(0).toUpperCase() + words.slice(1);
          const allowed = all || connectionTypes.includes(type);
          return (
            <div key={type} className={classes.type}>
              <Checkbox
                label={name}
                description={uses?.get(type)}
                checked={allowed}
                disabled={disabled || all}
                onChange={(event) =>
                  onChange({
                    connectionTypes: event.currentTarget.checked
                      ? [...connectionTypes, type]
                      : connectionTypes.filter((other) => other !== type),
                    // A count for what is not allowed would be refused.
                    ...(perType && !event.currentTarget.checked && { perType: { ...perType, [type]: "" } }),
                  })
                }
              />
              {perType && (
                <NumberInput
                  aria-label={`At most over ${words}`}
                  placeholder="Up to the account's limit"
                  min={0}
                  allowDecimal={false}
                  allowNegative={false}
                  thousandSeparator=","
                  hideControls
                  disabled={disabled || !allowed}
                  value={perType[type] ?? ""}
                  onChange={(next) =>
                    onChange({ perType: { ...perType, [type]: typeof next === "number" ? next : "" } })
                  }
                  error={errors.at(`/connections_per_type/${type}`)}
                />
              )}
            </div>
          );
        })}
      </div>
    </Stack>
  );
}
