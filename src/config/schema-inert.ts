/** Keys of Dask's from which nothing follows here, and why. They are read, and whoever sets one is told once. */
import type { ConfigEntry } from "./schema.ts";

/** Entries by dotted key. */
export const INERT: Readonly<Record<string, ConfigEntry>> = {
  "distributed.p2p.storage.buffer": {
    kind: "bytes",
    default: "100 MiB",
    about:
      "blocks are written to disk from where they lie, within the worker's bytes: none waits in a buffer beside them",
    isInert: true,
  },
  "distributed.p2p.threads": {
    kind: "integer",
    default: null,
    about: "tasks of a rechunk cut and assemble on the worker's threads: there are no threads beside them to count",
    isInert: true,
  },
};
