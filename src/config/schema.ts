/** The keys that rsdat reads: kind, default, meaning. Dask's keys keep Dask's names and defaults; others pass through. */
import type { ConfigValue } from "./literal.ts";

/** How a value is read: `bytes` takes "64MiB", `duration` "30s", `fraction` 0 to 1 or false. */
export type ConfigKind =
  | "text"
  | "integer"
  | "number"
  | "boolean"
  | "bytes"
  | "duration"
  | "fraction"
  | "list"
  | "mapping";

/** One key. `null` as a value means "not set" for every kind. */
export interface ConfigEntry {
  readonly kind: ConfigKind;
  readonly default: ConfigValue;
  readonly about: string;
}

/** Entries by dotted key. */
export const SCHEMA: Readonly<Record<string, ConfigEntry>> = {
  "temporary-directory": {
    kind: "text",
    default: null,
    about: "folder for spilled blocks and other short-lived files",
  },
  "num-workers": {
    kind: "integer",
    default: null,
    about: "compute threads of the embedded runner; unset: the CPUs allotted",
  },
  "array.chunk-size": {
    kind: "bytes",
    default: "128MiB",
    about: "bytes of a chunk whose size is chosen automatically",
  },
  "array.chunk-size-tolerance": {
    kind: "number",
    default: 1.25,
    about: "how far an automatic chunk may exceed array.chunk-size",
  },
  "array.slicing.split-large-chunks": {
    kind: "boolean",
    default: null,
    about: "split chunks that an index makes large",
  },
  "distributed.scheduler.allowed-failures": {
    kind: "integer",
    default: 3,
    about: "workers that may die with a task before it is given up",
  },
  "distributed.scheduler.bandwidth": {
    kind: "bytes",
    default: 100_000_000,
    about: "assumed bytes per second between workers",
  },
  "distributed.scheduler.unknown-task-duration": {
    kind: "duration",
    default: "500ms",
    about: "assumed duration of tasks never seen",
  },
  "distributed.scheduler.worker-saturation": {
    kind: "number",
    default: 1.1,
    about: "queued root tasks per thread of a worker",
  },
  "distributed.scheduler.worker-ttl": {
    kind: "duration",
    default: "5 minutes",
    about: "silence after which a worker counts as lost",
  },
  "distributed.scheduler.no-workers-timeout": {
    kind: "duration",
    default: null,
    about: "how long tasks wait while no worker can run them",
  },
  "distributed.scheduler.idle-timeout": {
    kind: "duration",
    default: null,
    about: "idleness after which a scheduler ends",
  },
  "distributed.worker.memory.target": {
    kind: "fraction",
    default: 0.6,
    about: "fraction of the limit at which blocks of unknown size are spilled",
  },
  "distributed.worker.memory.spill": {
    kind: "fraction",
    default: 0.7,
    about: "fraction of process memory at which a worker spills",
  },
  "distributed.worker.memory.pause": {
    kind: "fraction",
    default: 0.8,
    about: "fraction of process memory at which a worker starts nothing new",
  },
  "distributed.worker.memory.terminate": {
    kind: "fraction",
    default: 0.95,
    about: "fraction of process memory at which a nanny kills its worker",
  },
  "distributed.worker.connections.outgoing": {
    kind: "integer",
    default: 50,
    about: "peers that a worker asks for data at once",
  },
  "distributed.worker.connections.incoming": {
    kind: "integer",
    default: 10,
    about: "peers that a worker answers at once",
  },
  "distributed.worker.transfer.message-bytes-limit": {
    kind: "bytes",
    default: "50MB",
    about: "bytes of one request between workers",
  },
  "distributed.comm.timeouts.connect": { kind: "duration", default: "30s", about: "limit of connecting" },
  "distributed.comm.timeouts.tcp": {
    kind: "duration",
    default: "30s",
    about: "silence after which a connection counts as dead",
  },
  "distributed.comm.retry.count": { kind: "integer", default: 0, about: "repetitions of a failed connection" },
  "distributed.comm.retry.delay.min": { kind: "duration", default: "1s", about: "first delay between repetitions" },
  "distributed.comm.retry.delay.max": { kind: "duration", default: "20s", about: "longest delay between repetitions" },
  "jobqueue.slurm": { kind: "mapping", default: {}, about: "defaults of SlurmCluster, under dask-jobqueue's names" },
  "rsdat.memory-limit": {
    kind: "text",
    default: "auto",
    about: 'bytes that one process may take ("4GiB"), a fraction of what was allotted, or "auto": 0.8 of it',
  },
  "rsdat.io.max-block-bytes": {
    kind: "bytes",
    default: "512MiB",
    about: "largest decoded tile or chunk that a file may demand",
  },
  "rsdat.kernels.wide": {
    kind: "boolean",
    default: false,
    about: "compute with 256-bit vectors where V8 can (experimental; a self-test decides)",
  },
  "rsdat.log-level": { kind: "text", default: "warning", about: "debug, info, warning or error" },
};
