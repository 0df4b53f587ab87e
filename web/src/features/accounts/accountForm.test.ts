import { describe, expect, it } from "vitest";
import type { Account } from "../../api/accounts";
import { anAccount } from "../../testing";
import { accountChanges, type AccountForm, accountFormOf } from "./accountForm";

const account: Account = {
  ...anAccount,
  tags: ["env:prod"],
  connection_types: ["STANDARD", "MQTT"],
  connections_per_type: { MQTT: 10 },
  default_permissions: { publish: { allow: ["orders.>"] } },
  trace: { destination: "traces", sampling: 10 },
};

const changed = (change: Partial<AccountForm>) => accountChanges(account, { ...accountFormOf(account), ...change });

describe("an account's settings", () => {
  it("send nothing that was not changed", () => {
    expect(changed({})).toEqual({});
    expect(changed({ name: " orders " })).toEqual({});
  });

  it("take a type's count away with null, which an absent one would not", () => {
    expect(changed({ perType: { MQTT: "", STANDARD: 5 } })).toEqual({
      connections_per_type: { MQTT: null, STANDARD: 5 },
    });
  });

  it("stop tracing with null", () => {
    expect(changed({ trace: { on: false, destination: "traces", sampling: 10 } })).toEqual({ trace: null });
  });

  it("replace lists whole", () => {
    expect(changed({ tags: [], connectionTypes: [] })).toEqual({ tags: [], connection_types: [] });
    const defaultPermissions = {
      ...accountFormOf(account).defaultPermissions,
      publish: { reach: "everything" as const, only: [] },
    };
    expect(changed({ defaultPermissions }).default_permissions?.publish).toEqual({ allow: [], deny: [] });
  });
});
