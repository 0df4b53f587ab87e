import { Box, Button, Group, Modal, Title } from "@mantine/core";
import { type ReactNode, useState } from "react";
import type { Operator } from "../../api/operators";
import { OperationProgress } from "./OperationProgress";

export type RotationFormProps = { operator: Operator; onBegun: (operation: string) => void; onCancel: () => void };

type RotationProps = {
  title: string;
  operator: Operator;
  /** What is rotated: "the signing key". */
  what: string;
  /** Queries that are out of date when it is over. */
  changes: readonly unknown[];
  form: (props: RotationFormProps) => ReactNode;
};

/** Rotation is the heading of something of an operator's that can be rotated: asks first, then shows how far it is. */
export function Rotation({ title, operator, what, changes, form: Form }: RotationProps) {
  const [asking, setAsking] = useState(false);
  const [operation, setOperation] = useState<string>();
  return (
    <>
      <Group justify="space-between" px={20} py="sm">
        <Title order={3}>{title}</Title>
        <Button size="xs" variant="default" onClick={() => setAsking(true)}>
          Rotate {what}
        </Button>
      </Group>
      {operation && (
        <Box px={20} pb="sm">
          <OperationProgress operation={operation} doing="Rotating" done="Rotated" changes={changes} />
        </Box>
      )}
      <Modal
        opened={asking}
        onClose={() => setAsking(false)}
        title={`Rotate ${what} of ${operator.name}?`}
        closeButtonProps={{ "aria-label": "Close" }}
      >
        <Form
          operator={operator}
          onBegun={(begun) => {
            setOperation(begun);
            setAsking(false);
          }}
          onCancel={() => setAsking(false)}
        />
      </Modal>
    </>
  );
}
