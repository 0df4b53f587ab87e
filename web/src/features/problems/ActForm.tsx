import { Button, Group, Stack } from "@mantine/core";
import type { ReactNode } from "react";
import type { Problem } from "../../api/client";
import type { FieldErrors } from "./fieldErrors";
import { ProblemNotice } from "./ProblemNotice";
import { useFocusOnError } from "./useAct";

type ActFormProps = {
  children: ReactNode;
  /** What the button says. */
  verb: string;
  /** Whether it takes something away from somebody. */
  danger?: boolean;
  disabled?: boolean;
  pending: boolean;
  problem: Problem | null;
  /** Where the problem's fields have landed: the rest of it is shown above the buttons. */
  errors: FieldErrors;
  onSubmit: () => void;
  /** Absent: there is nothing to go back to, and one wide button. */
  onCancel?: () => void;
};

/** ActForm is the frame of a form that does one thing. The first wrong field gets the focus. */
export function ActForm({
  children,
  verb,
  danger,
  disabled,
  pending,
  problem,
  errors,
  onSubmit,
  onCancel,
}: ActFormProps) {
  const form = useFocusOnError(problem);
  const submit = (
    <Button
      type="submit"
      loading={pending}
      disabled={disabled}
      color={danger ? "red.8" : undefined}
      fullWidth={!onCancel}
    >
      {verb}
    </Button>
  );
  return (
    <form
      ref={form}
      noValidate
      onSubmit={(event) => {
        event.preventDefault();
        onSubmit();
      }}
    >
      <Stack gap="md">
        {children}
        {problem && errors.unplaced && <ProblemNotice problem={problem} fields={errors.rest} />}
        {onCancel ? (
          <Group justify="flex-end" gap="sm">
            <Button variant="default" onClick={onCancel}>
              Cancel
            </Button>
            {submit}
          </Group>
        ) : (
          submit
        )}
      </Stack>
    </form>
  );
}
