import { screen, within } from "@testing-library/react";
import { expect, it } from "vitest";
import type { RefusedLogin } from "../../api/accounts";
import { show } from "../../testing";
import { RefusalTable } from "./RefusalTable";

const refusal = (changes: Partial<RefusedLogin>): RefusedLogin => ({
  id: "ref_1",
  reason: "credential_revoked",
  explanation: "The credential was revoked. Issue another one.",
  detail: "",
  connection_type: "MQTT_WS",
  address: "192.0.2.7",
  broker: "eu-1",
  user_public_key: "UABCDEFGHIJKLMNOPQRSTUVWXYZ",
  user_id: "usr_1",
  user: "sensor",
  credential_id: "crd_1",
  credential: "field kit",
  device_login_id: null,
  count: 1234,
  first_at: "2026-01-01T00:00:00Z",
  last_at: "2026-01-01T01:00:00Z",
  ...changes,
});

it("says who was refused, why, over what and how often", async () => {
  await show(<RefusalTable account="acc_1" refusals={[refusal({})]} />);
  const row = screen.getByRole("link", { name: "sensor" }).closest("tr");
  expect(row?.textContent).toContain("field kit");
  expect(row?.textContent).toContain("The credential was revoked. Issue another one.");
  expect(row?.textContent).toContain("MQTT over WebSocket, eu-1");
  expect(row?.textContent).toContain("1,234");
});

it("tells a stranger's key from no readable credential at all", async () => {
  const nobody = { user_id: null, user: null, credential_id: null, credential: null };
  const refusals = [
    refusal({ id: "ref_1", ...nobody }),
    refusal({ id: "ref_2", ...nobody, user_public_key: "", connection_type: "", reason: "malformed" }),
  ];
  await show(<RefusalTable account="acc_1" refusals={refusals} />);
  const table = within(screen.getByRole("table", { name: "Refused logins" }));
  expect(table.queryByRole("link")).toBeNull();
  expect(table.getByText("Not a user of this account").closest("tr")?.textContent).toContain("UABC");
  expect(table.getByText("Somebody without a readable credential").closest("tr")?.textContent).toContain("malformed");
});
