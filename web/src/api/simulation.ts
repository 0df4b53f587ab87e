import { answer, client } from "./client";
import type { components } from "./schema.gen";

type Schemas = components["schemas"];
export type Simulation = Schemas["Simulation"];
export type SimulationRequest = Schemas["SimulationRequest"];
export type SimulationStep = Schemas["SimulationStep"];
export type SimulationDecision = Schemas["SimulationDecision"];

export function simulate(body: SimulationRequest): Promise<Simulation> {
  return answer(client.POST("/v1/simulate", { body }));
}
