import { useQuery } from "@tanstack/react-query";
import { screen } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { tenantById } from "../../api/tenants";
import { fakeServer, problemBody, show } from "../../testing";
import { Loaded } from "./Loaded";

function TenantName() {
  const tenant = useQuery(tenantById("ten_1"));
  return (
    <Loaded query={tenant} what="the team" skeleton={<div role="status">Loading</div>}>
      {(data) => <button onClick={() => void tenant.refetch()}>{data.name}</button>}
    </Loaded>
  );
}

const engines = { body: { id: "ten_1", name: "Engines" } };

it("goes from skeleton to error, and by its button to the data", async () => {
  let up = false;
  fakeServer({ "GET /v1/tenants/ten_1": () => (up ? engines : { status: 500, body: problemBody(500) }) });
  await show(<TenantName />);
  expect(screen.getByRole("status").textContent).toBe("Loading");
  const alert = await screen.findByRole("alert");
  expect(alert.textContent).toContain("Could not load the team");
  expect(alert.textContent).toContain("req_test");
  up = true;
  await userEvent.click(screen.getByRole("button", { name: "Try again" }));
  expect(await screen.findByText("Engines")).toBeTruthy();
  expect(screen.queryByRole("alert")).toBeNull();
});

it("keeps showing what it had when a refresh fails, and says that it may be out of date", async () => {
  let up = true;
  fakeServer({ "GET /v1/tenants/ten_1": () => (up ? engines : { lost: true }) });
  await show(<TenantName />);
  const name = await screen.findByText("Engines");
  up = false;
  await userEvent.click(name);
  expect((await screen.findByRole("alert")).textContent).toContain("may be out of date");
  expect(screen.getByText("Engines")).toBeTruthy();
});
