import { screen, within } from "@testing-library/react";
import userEvent from "@testing-library/user-event";
import { expect, it } from "vitest";
import { anAccount, fakeServer, problemBody, show } from "../../testing";
import { MappingEditor } from "./MappingEditor";

it("sends mappings with their weights and clusters, under the account's ETag, and shows the sum meanwhile", async () => {
  const calls = fakeServer({
    "PUT /v1/accounts/acc_1/mappings": ({ body }) => ({ body }),
    "GET /v1/accounts/acc_1/delivery": { body: { revision: 1, in_force: true, brokers: [] } },
  });
  await show(<MappingEditor account={anAccount} mappings={[]} readOnly={false} />);
  await userEvent.click(screen.getByRole("button", { name: "Add a mapping" }));
  const mapping = within(screen.getByRole("group", { name: "Mapping 1" }));
  await userEvent.type(mapping.getByLabelText("Messages published to"), "orders");
  await userEvent.type(mapping.getByLabelText("Mapping 1, destination 1: subject"), "orders.v1");
  await userEvent.click(mapping.getByRole("button", { name: "Add a destination" }));
  await userEvent.type(mapping.getByLabelText("Mapping 1, destination 2: subject"), "orders.v2");
  const weight = mapping.getByLabelText("Mapping 1, destination 2: weight");
  await userEvent.clear(weight);
  await userEvent.type(weight, "20");
  expect(mapping.getByText("Weights: 120 of 100: too much")).toBeTruthy();
  await userEvent.type(mapping.getByLabelText("Mapping 1, destination 2: cluster"), "eu");
  expect(mapping.getByText("Weights: 20 of 100 in cluster eu: 80 % keep their subject")).toBeTruthy();
  await userEvent.click(screen.getByRole("button", { name: "Save mappings" }));
  await screen.findByText("In force on every broker");
  const put = calls.find(({ method }) => method === "PUT");
  expect(put?.headers.get("If-Match")).toBe(anAccount.etag);
  expect(put?.body).toEqual({
    mappings: [
      {
        subject: "orders",
        destinations: [
          { subject: "orders.v1", weight: 100 },
          { subject: "orders.v2", weight: 20, cluster: "eu" },
        ],
      },
    ],
  });
});

it("lands the server's word on the destination it is about", async () => {
  fakeServer({
    "PUT /v1/accounts/acc_1/mappings": {
      status: 400,
      body: problemBody(400, [{ pointer: "/mappings/0/destinations/0/weight", detail: "weights exceed 100" }]),
    },
  });
  const mappings = [{ subject: "a", destinations: [{ subject: "b", weight: 100 }] }];
  await show(<MappingEditor account={anAccount} mappings={mappings} readOnly={false} />);
  await userEvent.type(screen.getByLabelText("Messages published to"), "c");
  await userEvent.click(screen.getByRole("button", { name: "Save mappings" }));
  await screen.findByText("weights exceed 100");
  expect(screen.getByLabelText("Mapping 1, destination 1: weight").getAttribute("aria-invalid")).toBe("true");
  expect(screen.queryByRole("alert")).toBeNull();
});
