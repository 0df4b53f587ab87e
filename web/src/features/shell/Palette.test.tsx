import { screen } from "@testing-library/react";
import { spotlight } from "@mantine/spotlight";
import userEvent from "@testing-library/user-event";
import { act } from "react";
import { expect, it } from "vitest";
import { me } from "../../api/session";
import { ada, fakeServer, show } from "../../testing";
import Palette from "./Palette";

const accounts = { "GET /v1/tenants/ten_1/accounts": { body: { items: [], next_cursor: null } } };

it("offers staff their pages and acts, and nobody else", async () => {
  fakeServer(accounts);
  const { queryClient } = await show(<Palette />);
  act(() => spotlight.open());
  await userEvent.type(await screen.findByRole("textbox", { name: "Find or do" }), "plan");
  expect(await screen.findByRole("button", { name: "Plan and use" })).toBeTruthy();
  expect(screen.queryByRole("button", { name: "Create plan" })).toBeNull();
  act(() => queryClient.setQueryData(me.queryKey, { ...ada, person: { ...ada.person, is_staff: true } }));
  expect(await screen.findByRole("button", { name: "Create plan" })).toBeTruthy();
  // What was typed is marked, which splits the word.
  expect(screen.getByRole("button", { name: "Plan s" })).toBeTruthy();
});
