/** Clients that are no connections: names in which the scheduler itself wants results. Dask's names. */
import type { ClientId } from "./state/index.ts";

/** Wants results until they are there, for nobody in particular. */
export const FIRE_AND_FORGET: ClientId = "fire-and-forget";
/** Stands for everybody's interest in published data. */
export const PUBLISHER: ClientId = "published-datasets";
/** The name of whatever holds keys; what follows is JSON. */
const HOLDER = /^(?:queue|variable)-(.*)$/s;

/** The client in whose name a queue or a variable wants its keys; `name`: as JSON. */
export function holderOf(kind: "queue" | "variable", name: string): ClientId {
  return `${kind}-${name}`;
}

/** Whether a connection may not have this name: what it gives up would be lost to others. */
export function isOwnClient(name: ClientId): boolean {
  const held = HOLDER.exec(name)?.[1];
  return name === FIRE_AND_FORGET || name === PUBLISHER || (held !== undefined && isJson(held));
}

/** Clients of users may be called `queue-reader-…`, which is none. */
function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
