import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { anOperator, fakeServer, problemBody, show } from "../../testing";
import { OperatorActs } from "./OperatorActs";
import { OperatorEditor } from "./OperatorEditor";

it("edits name, description and tags under the operator's ETag", async () => {
  const calls = fakeServer({ "PATCH /v1/operators/opr_1": { body: anOperator } });
  await show(<OperatorActs operator={anOperator} />);
  await userEvent.click(screen.getByRole("button", { name: "Edit Signalbox" }));
  const drawer = within(await screen.findByRole("dialog", { name: "Edit Signalbox" }));
  await userEvent.type(drawer.getByLabelText("Description"), "In Europe");
  await userEvent.type(drawer.getByRole("combobox", { name: "Tags" }), "Region:EU{Enter}");
  await userEvent.click(drawer.getByRole("button", { name: "Save operator" }));
  await expect.poll(() => screen.queryByRole("dialog")).toBeNull();
  expect(calls[0]?.body).toMatchObject({ name: "Signalbox", description: "In Europe", tags: ["region:eu"] });
  expect(calls[0]?.headers.get("If-Match")).toBe(anOperator.etag);
});

it("makes another operator the default, and offers it for no other than those that are not", async () => {
  const calls = fakeServer({ "POST /v1/operators/opr_2/make-default": { body: anOperator } });
  await show(
    <>
      <OperatorActs operator={anOperator} />
      <OperatorActs operator={{ ...anOperator, id: "opr_2", name: "Europe", is_default: false }} />
    </>,
  );
  expect(screen.queryByRole("button", { name: "Make Signalbox the default" })).toBeNull();
  await userEvent.click(screen.getByRole("button", { name: "Make Europe the default" }));
  await expect.poll(() => calls.map(({ path }) => path)).toContain("/v1/operators/opr_2/make-default");
});

it("creates an operator, and lands the server's word on its field", async () => {
  let refuse = true;
  const calls = fakeServer({
    "POST /v1/operators": () =>
      refuse
        ? { status: 409, body: problemBody(409, [{ pointer: "/name", detail: "is taken" }]) }
        : { status: 201, body: anOperator },
  });
  const onClose = vi.fn();
  await show(<OperatorEditor onClose={onClose} />);
  await userEvent.type(screen.getByLabelText("Name"), "Europe");
  await userEvent.click(screen.getByRole("button", { name: "Create operator" }));
  await screen.findByText("is taken");
  refuse = false;
  await userEvent.click(screen.getByRole("button", { name: "Create operator" }));
  await vi.waitFor(() => expect(onClose).toHaveBeenCalled());
  expect(calls.at(-1)?.body).toEqual({ name: "Europe", description: "", tags: [], first_account: true });
  expect(calls.at(-1)?.headers.get("Idempotency-Key")).toBeTruthy();
});
