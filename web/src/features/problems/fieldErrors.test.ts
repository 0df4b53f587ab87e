import { describe, expect, it } from "vitest";
import { Problem } from "../../api/client";
import { placeFieldErrors } from "./fieldErrors";

const problem = (...errors: [pointer: string, detail: string][]) =>
  new Problem({
    status: 400,
    title: "Refused",
    detail: "",
    errors: errors.map(([pointer, detail]) => ({ pointer, detail })),
  });

describe("placeFieldErrors", () => {
  it("lands an error on the field with its pointer", () => {
    const errors = placeFieldErrors(problem(["/limits/connections", "is above the plan"]), ["/limits/connections"]);
    expect(errors.at("/limits/connections")).toBe("is above the plan");
    expect(errors.unplaced).toBe(false);
  });

  it("lands an item's error on the list that holds it, and names the item", () => {
    const errors = placeFieldErrors(problem(["/allow/1", "has an empty token"]), ["/allow"], () => "foo..bar");
    expect(errors.at("/allow")).toBe("“foo..bar”: has an empty token");
  });

  it("does not take a pointer for inside another that only begins alike", () => {
    const errors = placeFieldErrors(problem(["/name_of_it", "is wrong"]), ["/name"]);
    expect(errors.at("/name")).toBeUndefined();
    expect(errors.rest).toHaveLength(1);
  });

  it("leaves for the form what no field shows", () => {
    const errors = placeFieldErrors(problem(["/name", "is empty"], ["/other", "is unknown"]), ["/name"]);
    expect(errors.rest).toEqual([{ pointer: "/other", detail: "is unknown" }]);
    expect(errors.unplaced).toBe(true);
  });

  it("shows a problem without fields as a whole, and nothing without a problem", () => {
    expect(placeFieldErrors(problem(), ["/name"]).unplaced).toBe(true);
    expect(placeFieldErrors(null, ["/name"]).unplaced).toBe(false);
  });
});
