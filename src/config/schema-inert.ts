/** Keys of Dask's from which nothing follows here, and why. They are read, and whoever sets one is told once. */
import type { ConfigEntry } from "./schema.ts";

type Row = readonly [key: string, kind: ConfigEntry["kind"], value: ConfigEntry["default"], why: string];

  [
    "distributed.p2p.storage.buffer",
    "bytes",
    "100 MiB",
    "blocks are written to disk from where they lie, within the worker's bytes: none waits in a buffer beside them",
  ],
  [
    "distributed.p2p.threads",
    "integer",
    null,
    "tasks of a rechunk cut and assemble on the worker's threads: there are no threads beside them to count",
  ],
];

/** Entries by dotted key. */
export const INERT: Readonly<Record<string, ConfigEntry>> = Object.fromEntries(
  ROWS.map(([key, kind, value, why]) => [key, { kind, default: value, about: why, isInert: true }]),
);
