/** Events of clients and tasks by name: set, cleared, waited for (Dask's `EventExtension`). */
import type { Handlers } from "../../comm/index.ts";
import { nameIn, secondsOf, Waiters } from "./waiters.ts";

/** Handlers over one table of events. An event that is clear and that nobody waits for is forgotten. */
export function eventHandlers(): Handlers {
  const set = new Set<string>();
  const waiting = new Map<string, Waiters<true>>();
  return {
    event_set: (request) => {
      const name = nameIn(request);
      set.add(name);
      waiting.get(name)?.giveAll(true);
      waiting.delete(name);
      return null;
    },
    event_clear: (request) => {
      set.delete(nameIn(request));
      return null;
    },
    event_is_set: (request) => set.has(nameIn(request)),
    event_wait: async (request, comm) => {
      const name = nameIn(request);
      if (set.has(name)) return true;
      const waiters = waiting.get(name) ?? new Waiters<true>();
      waiting.set(name, waiters);
      try {
        return (await waiters.wait(secondsOf(request), comm)) === true;
      } finally {
        if (waiters.size === 0 && waiting.get(name) === waiters) waiting.delete(name);
      }
    },
  };
}
