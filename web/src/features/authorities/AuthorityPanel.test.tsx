import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it, vi } from "vitest";
import { aDryRun, anAccount, fakeServer, problemBody, show } from "../../testing";
import { AddAuthorityDialog } from "./AddAuthorityDialog";
import { AuthorityPanel } from "./AuthorityPanel";
import { certificatesOf, readCertificates } from "./pem";

const pem = (text: string) => `-----BEGIN CERTIFICATE-----\n${text}\n-----END CERTIFICATE-----`;
const inDays = (days: number) => new Date(Date.now() + days * 86_400_000).toISOString();
const authority = (name: string, from: number, until: number) => ({
  pem: pem(name),
  subject: `CN=${name}`,
  fingerprint: name.padEnd(64, "0"),
  not_before: inDays(from),
  not_after: inDays(until),
});
const listed = "GET /v1/accounts/acc_1/certificate-authorities";
const trusting = { ...anAccount, certificate_authorities: [pem("old"), pem("long")] };
const delivered = { body: { revision: 4, in_force: true, brokers: [] } };

it("marks what has expired, what soon will, and what is not yet valid", async () => {
  fakeServer({
    [listed]: {
      body: {
        items: [
          authority("long", -1, 90),
          authority("soon", -1, 20),
          authority("old", -9, -1),
          authority("new", 2, 90),
        ],
      },
    },
  });
  await show(<AuthorityPanel account={trusting} mayEdit={false} />);
  const table = await screen.findByRole("table", { name: "Certificate authorities" });
  const row = (name: string) => within(table).getByRole("row", { name: new RegExp(`CN=${name}`) });
  expect(within(row("long")).getByText("Trusted")).toBeTruthy();
  expect(row("soon").textContent).toMatch(/Expires in/);
  expect(within(row("soon")).queryByText("Trusted")).toBeNull();
  expect(row("old").textContent).toMatch(/Expired.*Nobody gets in by it/);
  expect(row("new").textContent).toMatch(/Valid only/);
  expect(within(table).getByText("old".padEnd(64, "0"))).toBeTruthy();
  expect(screen.queryByRole("button", { name: /Remove|Add/ })).toBeNull();
});

it("adds the certificates of a file to those there are, and lands the server's word on the field", async () => {
  let refusals = 1;
  const calls = fakeServer({
    "PATCH /v1/accounts/acc_1": () =>
      refusals-- > 0
        ? {
            status: 422,
            body: problemBody(422, [{ pointer: "/certificate_authorities/3", detail: "it is no authority's" }]),
          }
        : { body: trusting },
    "GET /v1/accounts/acc_1/delivery": delivered,
  });
  await show(<AddAuthorityDialog account={trusting} onClose={vi.fn()} />);
  await userEvent.upload(
    screen.getByLabelText("File with certificates"),
    new File([`${pem("one")}\n${pem("two")}`], "ca.pem"),
  );
  const field = screen.getByLabelText<HTMLTextAreaElement>("Certificate");
  await vi.waitFor(() => expect(field.value).toContain("two"));
  const add = screen.getByRole("button", { name: "Add authority" });
  await userEvent.click(add);
  await screen.findByText("“Certificate 2”: it is no authority's");
  expect(document.activeElement).toBe(field);
  await userEvent.click(add);
  await screen.findByText("Added 2 authorities");
  const [, sent] = calls.filter((call) => call.method === "PATCH");
  expect(sent?.body).toEqual({ certificate_authorities: [pem("old"), pem("long"), pem("one"), pem("two")] });
  expect(sent?.headers.get("If-Match")).toBe(anAccount.etag);
});

it("sends no private key anywhere, and nothing when there is nothing", async () => {
  const calls = fakeServer({});
  await show(<AddAuthorityDialog account={anAccount} onClose={vi.fn()} />);
  const add = screen.getByRole("button", { name: "Add authority" });
  await userEvent.click(add);
  await screen.findByText("Paste a certificate, or choose a file.");
  await userEvent.click(screen.getByLabelText("Certificate"));
  await userEvent.paste(`${pem("one")}\n-----BEGIN EC PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----`);
  await screen.findByText(/It was sent nowhere/);
  await userEvent.click(add);
  expect(calls).toEqual([]);
});

it("says whom removing one disconnects, and takes only that one away", async () => {
  const calls = fakeServer({
    [listed]: { body: { items: [authority("old", -9, -1), authority("long", -1, 90)] } },
    "PATCH /v1/accounts/acc_1": (call) => ({ body: call.query.get("dry_run") ? aDryRun(3) : anAccount }),
    "GET /v1/accounts/acc_1/delivery": delivered,
  });
  await show(<AuthorityPanel account={trusting} mayEdit />);
  await userEvent.click(await screen.findByRole("button", { name: "Remove CN=old" }));
  const dialog = await screen.findByRole("dialog", { name: "Remove CN=old?" });
  await within(dialog).findByText(/Closes 3 of 3/);
  await userEvent.click(within(dialog).getByRole("button", { name: "Remove" }));
  await within(dialog).findByText("CN=old is not trusted any more");
  const sent = calls.findLast((call) => call.method === "PATCH" && !call.query.has("dry_run"));
  expect(sent?.body).toEqual({ certificate_authorities: [pem("long")] });
});

it("keeps what was typed when someone else changed the account, and adds it to theirs", async () => {
  const theirs = { ...trusting, certificate_authorities: [pem("theirs")], etag: '"9"' };
  const calls = fakeServer({
    "PATCH /v1/accounts/acc_1": (call) =>
      call.headers.get("If-Match") === '"9"' ? { body: theirs } : { status: 412, body: problemBody(412) },
    "GET /v1/accounts/acc_1": { body: theirs },
    "GET /v1/accounts/acc_1/delivery": delivered,
  });
  await show(<AddAuthorityDialog account={trusting} onClose={vi.fn()} />);
  await userEvent.click(screen.getByLabelText("Certificate"));
  await userEvent.paste(pem("one"));
  await userEvent.click(screen.getByRole("button", { name: "Add authority" }));
  await userEvent.click(await screen.findByRole("button", { name: "Load their version" }));
  await userEvent.click(screen.getByRole("button", { name: "Add authority" }));
  await screen.findByText("Added 1 authority");
  const sent = calls.findLast((call) => call.method === "PATCH");
  expect(sent?.body).toEqual({ certificate_authorities: [pem("theirs"), pem("one")] });
});

it("tells certificates apart, sends what is none by itself, and reads DER", async () => {
  expect(certificatesOf(`${pem("one")}\n\n${pem("two")}\nnonsense`)).toEqual([pem("one"), pem("two"), "nonsense"]);
  const der = new Uint8Array(100).fill(7);
  der[0] = 0x30;
  const text = await readCertificates(new Blob([der]));
  expect(certificatesOf(text)).toHaveLength(1);
  expect(Buffer.from(text.replace(/-----[^-]+-----|\s/g, ""), "base64").equals(Buffer.from(der))).toBe(true);
});
