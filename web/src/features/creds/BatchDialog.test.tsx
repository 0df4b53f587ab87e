import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aRole, fakeServer, problemBody, show } from "../../testing";
import { BatchDialog } from "./BatchDialog";

const roles = { body: { items: [aRole], next_cursor: null } };
const line = (index: number) =>
  `${JSON.stringify({ index, user: `device-${index + 1}`, creds: `SEED${index}`, file_name: `device-${index + 1}.creds` })}\n`;
const summary = `${JSON.stringify({ summary: { batch_id: "cbt_1", from: 0, issued: 3, total: 3 } })}\n`;

it("goes on where the stream broke off, with the same key, and hands over each file once", async () => {
  let tries = 0;
  const calls = fakeServer({
    "GET /v1/accounts/acc_1/roles": roles,
    "POST /v1/accounts/acc_1/credential-batches": () => {
      tries += 1;
      // The first breaks in the middle of its third line.
      return { text: tries === 1 ? line(0) + line(1) + line(2).slice(0, 20) : line(2) + summary };
    },
  });
  const files: Blob[] = [];
  vi.spyOn(URL, "createObjectURL").mockImplementation((blob) => {
    files.push(blob as Blob);
    return "blob:creds";
  });
  const onClose = vi.fn();
  await show(<BatchDialog account="acc_1" opened onClose={onClose} />);
  const count = await screen.findByLabelText("How many");
  await userEvent.clear(count);
  await userEvent.type(count, "3");
  await userEvent.click(await screen.findByRole("button", { name: "Issue 3 files" }));
  await screen.findByText("Broke off after 2 files");
  await userEvent.click(screen.getByRole("button", { name: "Go on" }));
  await screen.findByText("All issued");
  const posts = calls.filter(({ method }) => method === "POST");
  expect(posts.map(({ query }) => query.get("from"))).toEqual([null, "2"]);
  expect(new Set(posts.map(({ headers }) => headers.get("Idempotency-Key"))).size).toBe(1);
  expect(posts[1]?.body).toEqual(posts[0]?.body);

  // Not saved yet: closing asks first.
  await userEvent.click(screen.getByRole("button", { name: "Done" }));
  expect(screen.getByRole("alert").textContent).toContain("You have not saved these files");
  await userEvent.click(screen.getByRole("button", { name: "Download NDJSON" }));
  expect(
    ((await files[0]?.text()) ?? "")
      .trim()
      .split("\n")
      .map((text) => JSON.parse(text).user),
  ).toEqual(["device-1", "device-2", "device-3"]);
  await userEvent.click(screen.getByRole("button", { name: "Done" }));
  expect(onClose).toHaveBeenCalled();
});

it("lands what is wrong with the whole on the form, before anything was issued", async () => {
  fakeServer({
    "GET /v1/accounts/acc_1/roles": roles,
    "POST /v1/accounts/acc_1/credential-batches": {
      status: 409,
      body: problemBody(409, [{ pointer: "/count", detail: "the plan has room for 40 users" }]),
    },
  });
  await show(<BatchDialog account="acc_1" opened onClose={vi.fn()} />);
  await userEvent.click(await screen.findByRole("button", { name: "Issue 100 files" }));
  await screen.findByText("the plan has room for 40 users");
  expect(screen.getByLabelText("How many").getAttribute("aria-invalid")).toBe("true");
});
