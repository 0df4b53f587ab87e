import { screen, waitFor } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { ada, fakeServer, problemBody, show } from "../../testing";
import { SignUpForm } from "./SignUpForm";

async function fill(email: string) {
  await userEvent.type(screen.getByLabelText("E-mail"), email);
  await userEvent.type(screen.getByLabelText("Password"), "correct horse battery");
  await userEvent.type(screen.getByLabelText("Name of your team"), "Engines{Enter}");
}

it("signs up with Enter and hands over who is signed in", async () => {
  const calls = fakeServer({ "POST /v1/sign-up": { status: 201, body: ada } });
  const enter = vi.fn(async () => {});
  await show(<SignUpForm onSignedUp={enter} />);
  await fill(" ada@example.com ");
  await waitFor(() => expect(enter).toHaveBeenCalledWith(ada));
  expect(calls).toHaveLength(1);
  expect(calls[0]?.body).toEqual({
    email: "ada@example.com",
    password: "correct horse battery",
    tenant_name: "Engines",
  });
});

it("puts the server's words on the field they are about, and the focus there", async () => {
  fakeServer({
    "POST /v1/sign-up": {
      status: 409,
      body: problemBody(409, [{ pointer: "/email", detail: "is signed up already" }]),
    },
  });
  await show(<SignUpForm onSignedUp={async () => {}} />);
  await fill("ada@example.com");
  await screen.findByText("is signed up already");
  await waitFor(() => expect(document.activeElement).toBe(screen.getByLabelText("E-mail")));
  expect(screen.queryByRole("alert")).toBeNull();
});

it("says what is about no field beside the button, with the request id", async () => {
  fakeServer({ "POST /v1/sign-up": { status: 503, body: problemBody(503, [], "Try again in a moment.") } });
  await show(<SignUpForm onSignedUp={async () => {}} />);
  await fill("ada@example.com");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("Try again in a moment.");
  expect(alert.textContent).toContain("req_test");
});

it("marks a refused password as invalid, for those who cannot see its colour", async () => {
  fakeServer({
    "POST /v1/sign-up": { status: 400, body: problemBody(400, [{ pointer: "/password", detail: "is too short" }]) },
  });
  await show(<SignUpForm onSignedUp={async () => {}} />);
  await fill("ada@example.com");
  await screen.findByText("is too short");
  expect(screen.getByLabelText("Password").getAttribute("aria-invalid")).toBe("true");
  await waitFor(() => expect(document.activeElement).toBe(screen.getByLabelText("Password")));
});
