import { Key } from "../../ui/Key";

/** Actor is who did something, by name where the name is known. */
export function Actor({ id, actors }: { id: string; actors: Map<string, string> }) {
  return actors.get(id) ?? <Key value={id} what="actor's id" />;
}
