import { NumberInput, Select, Text } from "@mantine/core";
import { useState } from "react";
import { createEnrollment, type EnrollmentCreated, type Operator } from "../../api/operators";
import { CodeBlock } from "../../ui/CodeBlock";
import { OnceDialog } from "../../ui/OnceDialog";
import { SecretText } from "../../ui/SecretText";
import { Time } from "../../ui/Time";
import { ActForm } from "../problems/ActForm";
import { placeFieldErrors } from "../problems/fieldErrors";
import { useAct } from "../problems/useAct";

type CreateEnrollmentDialogProps = {
  operators: Operator[];
  /** The operator to start from; the dialog is closed when absent. */
  operator?: string;
  onClose: () => void;
};

const lifetimes = [
  { value: "PT1H", label: "1 hour" },
  { value: "P1D", label: "1 day" },
  { value: "P7D", label: "7 days" },
  { value: "P30D", label: "30 days" },
];

export function CreateEnrollmentDialog({ operators, operator, onClose }: CreateEnrollmentDialogProps) {
  const [created, setCreated] = useState<EnrollmentCreated>();
  function close() {
    setCreated(undefined);
    onClose();
  }
  return (
    <OnceDialog
      opened={operator !== undefined}
      title={created ? "Enrolment token created" : "Enrol a broker"}
      form={
        operator && <EnrollForm operators={operators} operator={operator} onCreated={setCreated} onCancel={close} />
      }
      onClose={close}
    >
      {created && (
        <>
          <SecretText
            label="Enrolment token"
            secret={created.token}
            warning="This is the only time we can show you this token. Whoever has it can enrol a broker that sees every message."
          />
          <Text size="sm">
            Good for {created.uses === 1 ? "one broker" : `${created.uses} brokers`}, until it expires{" "}
            <Time value={created.expires_at} />.
          </Text>
          <CodeBlock
            label="Start a broker"
            code={`broker --control ${window.location.origin} --token ${created.token}`}
          />
        </>
      )}
    </OnceDialog>
  );
}

type EnrollFormProps = {
  operators: Operator[];
  operator: string;
  onCreated: (created: EnrollmentCreated) => void;
  onCancel: () => void;
};

function EnrollForm({ operators, operator, onCreated, onCancel }: EnrollFormProps) {
  const [operatorId, setOperatorId] = useState(operator);
  const [uses, setUses] = useState(1);
  const [expiresIn, setExpiresIn] = useState("PT1H");
  const { act, pending, problem } = useAct(async () => {
    onCreated(await createEnrollment({ operator_id: operatorId, uses, expires_in: expiresIn }));
  });
  const errors = placeFieldErrors(problem, ["/operator_id", "/uses", "/expires_in"]);
  return (
    <ActForm
      verb="Create enrolment token"
      pending={pending}
      problem={problem}
      errors={errors}
      onSubmit={act}
      onCancel={onCancel}
    >
      <Text size="sm" c="dimmed">
        A broker shows this token once, when it first starts; from then on it has keys of its own.
      </Text>
      {operators.length > 1 && (
        <Select
          label="Operator"
          data={operators.map(({ id, name }) => ({ value: id, label: name }))}
          value={operatorId}
          onChange={(next) => setOperatorId(next ?? operator)}
          error={errors.at("/operator_id")}
        />
      )}
      <NumberInput
        label="Brokers"
        description="How many may enrol with it."
        min={1}
        max={1000}
        allowDecimal={false}
        data-autofocus
        value={uses}
        onChange={(next) => setUses(typeof next === "number" ? next : 1)}
        error={errors.at("/uses")}
      />
      <Select
        label="Expires after"
        data={lifetimes}
        value={expiresIn}
        onChange={(next) => setExpiresIn(next ?? "PT1H")}
        error={errors.at("/expires_in")}
      />
    </ActForm>
  );
}
