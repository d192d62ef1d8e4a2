/**
 * Progress of symbolic graphs on the wire: an event of a Dask topic, so that every scheduler passes it on. A worker sends
 * `log-event` with what happened since its last one, per layer; clients `subscribe-topic` and add up.
 */

/** Topic of progress events. */
export const PROGRESS_TOPIC = "rsdat-progress";

/** What happened in one layer. */
export interface LayerProgress {
  readonly done: number;
  /** Bytes fetched from stores, and written to them. */
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

/** The `msg` of a `log-event`. */
export function progressMessage(layers: ReadonlyMap<string, LayerProgress>): ReadonlyMap<string, readonly number[]> {
  return new Map(Array.from(layers, ([name, sums]) => [name, [sums.done, sums.bytesRead, sums.bytesWritten]]));
}

/** What an event of the topic says; fields that are no counts of a layer are left out, as what Dask adds to it. */
export function readProgress(event: unknown): Map<string, LayerProgress> {
  // Schedulers send [seconds, message].
  const message: unknown = Array.isArray(event) ? event[1] : event;
  const out = new Map<string, LayerProgress>();
  if (!(message instanceof Map)) return out;
  for (const [name, counts] of message) {
    if (typeof name !== "string" || !Array.isArray(counts) || counts.length !== 3) continue;
    const [done, bytesRead, bytesWritten] = counts.map(Number);
    if ([done, bytesRead, bytesWritten].every((n) => n !== undefined && n >= 0))
      out.set(name, { done: done ?? 0, bytesRead: bytesRead ?? 0, bytesWritten: bytesWritten ?? 0 });
  }
  return out;
}
