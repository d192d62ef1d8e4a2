/** The machine's transitions as Dask's schedulers tell them to plugins. */
import type { Key } from "../graph/index.ts";
import type { StoryEntry } from "./state/index.ts";

/**
 * The transitions of one turn in Dask's terms. Dask makes a task `released`, and tells nobody; here it is first forgotten.
 * Dask sends a ready task to a worker with room at once; here it is queued for as long as the turn lasts. Dask forgets a
 * result that nobody needs in one move; here it may be released first.
 */
export function daskTransitions(entries: readonly StoryEntry[]): readonly StoryEntry[] {
  if (entries.length === 0) return entries;
  const out: (StoryEntry | null)[] = [];
  /** Where in `out` a task entered the state in which it may turn out not to have been. */
  const passing = new Map<Key, number>();
  for (const entry of entries) {
    const { key, to } = entry;
    if (entry.from === "forgotten" && to === "released") continue;
    let from = entry.from === "forgotten" ? "released" : entry.from;
    const at = passing.get(key);
    if (at !== undefined && isPassedOver(from, to)) {
      from = out[at]?.from ?? from;
      out[at] = null;
    }
    if (at !== undefined) passing.delete(key);
    if (to === "queued" || (to === "released" && from === "memory")) passing.set(key, out.length);
    if (from !== to) out.push(from === entry.from ? entry : { ...entry, from });
  }
  return out.filter((entry) => entry !== null);
}

/** True for the move out of a state that Dask does not tell of, of a task that came into it in the same turn. */
function isPassedOver(from: string, to: string): boolean {
  return from === "queued" || (from === "released" && to === "forgotten");
}
