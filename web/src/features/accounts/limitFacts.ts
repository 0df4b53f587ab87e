import type { Limits } from "../../api/accounts";
import { formatLimit } from "../../ui/format";
import { flatJetStream, jetStreamLimits, limits, tiers, valueAt } from "./limits";

type Fact = [name: string, value: string];

/** limitFacts are the limits outside of JetStream, for reading. */
export function limitFacts(of: Limits): Fact[] {
  return [
    ...limits.map(({ label, pointer, unit }): Fact => [label, formatLimit(valueAt(of, pointer), unit)]),
    ["Exports with wildcards", of.wildcard_exports ? "Allowed" : "Refused"],
    ["JWT alone (bearer)", of.bearer ? "Allowed" : "Refused"],
  ];
}

/** jetStreamFacts are JetStream's: common ones, or those of each tier that there is. */
export function jetStreamFacts(of: Limits): Fact[] {
  const { tiers: own } = of.jetstream;
  if (!own) return factsAt(of, flatJetStream, "", of.jetstream.max_bytes_required);
  return [
    ...(own.r1 ? factsAt(of, tiers[0]?.pointer ?? "", "R1: ", own.r1.max_bytes_required) : []),
    ...(own.r3 ? factsAt(of, tiers[1]?.pointer ?? "", "R3: ", own.r3.max_bytes_required) : []),
  ];
}

function factsAt(of: Limits, prefix: string, before: string, maxBytesRequired: boolean): Fact[] {
  return [
    ...jetStreamLimits(prefix).map(({ label, pointer, unit }): Fact => [
      before + label,
      formatLimit(valueAt(of, pointer), unit),
    ]),
    [`${before}Size of streams`, maxBytesRequired ? "Must be said" : "May be left open"],
  ];
}
