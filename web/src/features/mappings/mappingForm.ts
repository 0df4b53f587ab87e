import type { Mapping } from "../../api/mappings";

/** One destination of a mapping, as a form holds it; "" is every cluster. */
export type DestinationForm = { subject: string; weight: number; cluster: string };
export type MappingForm = { subject: string; destinations: DestinationForm[] };

export const newDestination: DestinationForm = { subject: "", weight: 100, cluster: "" };
export const newMapping: MappingForm = { subject: "", destinations: [newDestination] };

export type WeightSum = { cluster: string; sum: number };

/** weightSums adds up the weights of a mapping, for each cluster on its own as servers do. */
export function weightSums({ destinations }: MappingForm): WeightSum[] {
  const sums = new Map<string, number>();
  for (const { cluster, weight } of destinations) sums.set(cluster, (sums.get(cluster) ?? 0) + weight);
  return [...sums].map(([cluster, sum]) => ({ cluster, sum }));
}

/** sumWords says what becomes of the messages: less than 100 leaves the rest where it was sent. */
export function sumWords({ cluster, sum }: WeightSum): string {
  const where = cluster === "" ? "" : ` in cluster ${cluster}`;
  if (sum > 100) return `${sum} of 100${where}: too much`;
  if (sum === 100) return `100 of 100${where}`;
  return `${sum} of 100${where}: ${100 - sum} % keep their subject`;
}

export function mappingFormOf({ subject, destinations }: Mapping): MappingForm {
  return {
    subject,
    destinations: destinations.map((one) => ({ subject: one.subject, weight: one.weight, cluster: one.cluster ?? "" })),
  };
}

export function mappingOf({ subject, destinations }: MappingForm): Mapping {
  return {
    subject: subject.trim(),
    destinations: destinations.map(({ subject: to, weight, cluster }) => ({
      subject: to.trim(),
      weight,
      ...(cluster.trim() !== "" && { cluster: cluster.trim() }),
    })),
  };
}
