import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { Problem } from "../../api/client";
import { problemBody, show } from "../../testing";
import { ChangeProblem } from "./ChangeProblem";
import { placeFieldErrors } from "./fieldErrors";

function setup(status: number, pointer: string) {
  const problem = new Problem(problemBody(status, [{ pointer, detail: "is wrong" }]));
  const onGoOn = vi.fn();
  const errors = placeFieldErrors(problem, ["/name"]);
  const rest = { problem, errors, meanwhile: "Someone changed this role meanwhile", verb: "Look again", onGoOn };
  return { onGoOn, shown: show(<ChangeProblem {...rest}>Close it.</ChangeProblem>) };
}

it("names who was faster, and offers the way on", async () => {
  const { onGoOn, shown } = setup(412, "");
  await shown;
  expect(screen.getByRole("alert").textContent).toContain(
    "Someone changed this role meanwhileNothing of yours was saved. Close it.",
  );
  await userEvent.click(screen.getByRole("button", { name: "Look again" }));
  expect(onGoOn).toHaveBeenCalledOnce();
});

it("says what no field does", async () => {
  await setup(409, "/other").shown;
  expect(screen.getByRole("alert").textContent).toContain("/other is wrong");
  expect(screen.queryByText(/meanwhile/)).toBeNull();
});

it("leaves to a field what the field says", async () => {
  await setup(400, "/name").shown;
  expect(screen.queryByRole("alert")).toBeNull();
});
