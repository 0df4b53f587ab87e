import { expect, it } from "vitest";
import { sumWords, weightSums } from "./mappingForm";

it("adds weights up for each cluster on its own", () => {
  const destinations = [
    { subject: "orders.v1", weight: 80, cluster: "" },
    { subject: "orders.v2", weight: 20, cluster: "" },
    { subject: "orders.eu", weight: 70, cluster: "eu" },
    { subject: "orders.eu2", weight: 40, cluster: "eu" },
  ];
  expect(weightSums({ subject: "orders", destinations }).map(sumWords)).toEqual([
    "100 of 100",
    "110 of 100 in cluster eu: too much",
  ]);
});

it("says where the rest goes", () => {
  expect(sumWords({ cluster: "", sum: 25 })).toBe("25 of 100: 75 % keep their subject");
});
