/** The keys that rsdat reads: kind, default, meaning. Dask's keys keep Dask's names and defaults; others pass through. */
import type { ConfigValue } from "./literal.ts";
import { INERT } from "./schema-inert.ts";

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
  /** What it says; for an inert key, why nothing follows from it. */
  readonly about: string;
  /** Values from which something follows, where nothing follows from others; whoever sets one of those is told. */
  readonly actsOn?: readonly ConfigValue[];
  /** True: Dask's files do not name it, so that `get` falls back where nobody set it. */
  readonly isUnlisted?: boolean;
  /** True: read and shown, but nothing follows from it by construction; whoever sets it is told once. */
  readonly isInert?: boolean;
}

/** Keys that something follows from. */
const ACTIVE: Readonly<Record<string, ConfigEntry>> = {
  "temporary-directory": {
    kind: "text",
    default: null,
    about: "folder for spilled blocks and other short-lived files",
  },
  "num-workers": {
    kind: "integer",
    default: null,
    isUnlisted: true,
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
    about:
      "how many times the wanted size a block may have: one that rechunk to automatic sizes keeps, or one of a shuffle",
  },
  "array.rechunk.method": {
    kind: "text",
    default: null,
    about: 'how blocks are cut anew: "tasks", by steps in between; "p2p" or unset, in one step from worker to worker',
  },
  "array.rechunk.threshold": {
    kind: "number",
    default: 4,
    about:
      'with "tasks": how many times the blocks of both ends there may be pieces before a step in between is worth it',
  },
  "array.slicing.split-large-chunks": {
    kind: "boolean",
    default: null,
    about:
      "what a lazy list of indices does whose blocks exceed array.chunk-size: true splits them, false accepts, unset warns beyond five times that",
  },
  scheduler: {
    kind: "text",
    default: null,
    isUnlisted: true,
    about: 'how the embedded runner computes: "threads", or "synchronous": one thread',
  },
  "distributed.scheduler.allowed-failures": {
    kind: "integer",
    default: 3,
    about: "workers that may die with a task before it is given up",
  },
  "distributed.scheduler.unknown-task-duration": {
    kind: "duration",
    default: "500ms",
    about: "assumed duration of tasks never seen, for adaptive scaling",
  },
  "distributed.scheduler.default-task-durations": {
    kind: "mapping",
    default: { "rechunk-split": "1us", "split-shuffle": "1us", "split-taskshuffle": "1us", "split-stage": "1us" },
    about: "assumed duration of tasks, by the prefix of their keys, until one has ended; for adaptive scaling",
  },
  "distributed.scheduler.work-stealing": {
    kind: "boolean",
    default: true,
    about: "idle workers take over tasks that wait at busy ones",
  },
  "distributed.scheduler.preload": {
    kind: "list",
    default: [],
    about: "modules that a scheduler process imports first; an exported setup() is called with the scheduler",
  },
  "distributed.scheduler.preload-argv": {
    kind: "list",
    default: [],
    about: "arguments of their setup(scheduler, argv): one list for all modules, or a list for each",
  },
  "distributed.scheduler.bandwidth": {
    kind: "bytes",
    default: 100_000_000,
    about: "bytes per second that are taken to move between two workers, where waiting is weighed against moving",
  },
  "distributed.scheduler.http.routes": {
    kind: "list",
    default: [
      "distributed.http.scheduler.prometheus",
      "distributed.http.scheduler.info",
      "distributed.http.scheduler.json",
      "distributed.http.health",
      "distributed.http.proxy",
      "distributed.http.statics",
    ],
    about: "groups of pages that are served: prometheus is /metrics, json is /json, health is /health",
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
  "distributed.worker.resources": { kind: "mapping", default: {}, about: "amounts of named resources of a worker" },
  "distributed.worker.preload": {
    kind: "list",
    default: [],
    about: "modules that a worker process imports first; an exported setup() is called with the worker",
  },
  "distributed.worker.preload-argv": {
    kind: "list",
    default: [],
    about: "arguments of their setup(worker, argv): one list for all modules, or a list for each",
  },
  "distributed.worker.lifetime.duration": {
    kind: "duration",
    default: null,
    about: "time after which a worker leaves in good order",
  },
  "distributed.worker.lifetime.stagger": {
    kind: "duration",
    default: "0 seconds",
    about: "spread of the lifetimes of many workers, plus or minus",
  },
  "distributed.worker.lifetime.restart": {
    kind: "boolean",
    default: false,
    about: "a nanny starts a worker again whose lifetime is over",
  },
  "distributed.worker.memory.transfer": {
    kind: "fraction",
    default: 0.1,
    about: "fraction of a worker's bytes that may arrive from others at once",
  },
  "distributed.worker.memory.target": {
    kind: "fraction",
    default: 0.6,
    actsOn: [false],
    about: "false here and for spill: a worker spills nothing; else what is spilled, and when, is planned in bytes",
  },
  "distributed.worker.memory.spill": {
    kind: "fraction",
    default: 0.7,
    actsOn: [false],
    about: "false here and for target: a worker spills nothing; else what is spilled, and when, is planned in bytes",
  },
  "distributed.worker.memory.max-spill": {
    kind: "bytes",
    default: false,
    about: "bytes that a worker may keep on disk at the most; false: rsdat.spill.limit alone",
  },
  "distributed.worker.memory.spill-compression": {
    kind: "text",
    default: "auto",
    actsOn: [false, null, "zlib", "zstd"],
    about:
      'compression of the blocks that a worker spills: "zlib" or "zstd"; "auto": none, since Dask would take lz4 or snappy, which are not here, and a disk is faster than zlib',
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
  "distributed.worker.memory.recent-to-old-time": {
    kind: "duration",
    default: "30s",
    about: "time for which memory beside results does not count where results are moved, in case it goes again",
  },
  "distributed.worker.memory.rebalance.measure": {
    kind: "text",
    default: "optimistic",
    about: "memory of workers when results are moved: process, optimistic, managed or managed_total",
  },
  "distributed.worker.memory.rebalance.sender-min": {
    kind: "fraction",
    default: 0.3,
    about: "fraction of its limit from which on a worker gives results away",
  },
  "distributed.worker.memory.rebalance.recipient-max": {
    kind: "fraction",
    default: 0.6,
    about: "fraction of its limit up to which a worker takes results",
  },
  "distributed.worker.memory.rebalance.sender-recipient-gap": {
    kind: "fraction",
    default: 0.1,
    about: "fraction of its limit within which, around the mean, a worker neither gives nor takes",
  },
  "distributed.worker.profile.enabled": {
    kind: "boolean",
    default: true,
    about: "look at times at what the compute threads run, and count it for Client.profile",
  },
  "distributed.worker.profile.interval": {
    kind: "duration",
    default: "10ms",
    about: "time between two looks while tasks run; a bare number counts milliseconds",
  },
  "distributed.worker.profile.cycle": {
    kind: "duration",
    default: "1000ms",
    about: "time that is counted together: what start and stop of Client.profile choose; the last 1000 are kept",
  },
  "distributed.worker.profile.low-level": {
    kind: "boolean",
    default: false,
    about: "sample stacks as well, so that what a function calls is shown below it",
  },
  "distributed.worker.memory.monitor-interval": {
    kind: "duration",
    default: "100ms",
    about: "time between two looks at the memory of a worker's process",
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
  "distributed.p2p.comm.buffer": {
    kind: "bytes",
    default: "1 GiB",
    about: "bytes of what rechunks cut that may be on their way to a worker at once",
  },
  "distributed.p2p.comm.concurrency": {
    kind: "integer",
    default: 10,
    about: "requests for what rechunks cut that a worker has open at once; at its default as many as for anything",
  },
  "distributed.p2p.comm.message-bytes-limit": {
    kind: "bytes",
    default: "2 MiB",
    about: "bytes of one such request, which asks for one block at least; at its default as many as of any",
  },
  "distributed.p2p.storage.disk": {
    kind: "boolean",
    default: true,
    about: "false: what rechunks cut stays in memory, and a graph for which that is too small is refused",
  },
  "distributed.comm.timeouts.connect": { kind: "duration", default: "30s", about: "limit of connecting" },
  "distributed.comm.timeouts.tcp": {
    kind: "duration",
    default: "30s",
    about:
      "time after which a connection ends whose peer takes nothing of what waits for it, or is silent to TCP's keep-alive (then at least 11s)",
  },
  "distributed.comm.compression": {
    kind: "text",
    default: false,
    actsOn: [false, null, "zlib", "zstd"],
    about:
      'compression of large frames to peers on other hosts that are set to the same: "zlib" or "zstd"; "auto": none, since Dask would take lz4 or snappy, which are not here (lz4 is read)',
  },
  "distributed.comm.shard": {
    kind: "bytes",
    default: "64MiB",
    about:
      "bytes beyond which a frame is split for Dask's peers; for rsdat's only where another size is set: they take any",
  },
  "distributed.comm.offload": {
    kind: "bytes",
    default: "10MiB",
    about: "bytes of a message beyond which it is compressed and decompressed off the event loop; 0: never",
  },
  "distributed.comm.retry.count": {
    kind: "integer",
    default: 0,
    about: "times that a client asks again for results whose request broke off",
  },
  "distributed.comm.retry.delay.min": {
    kind: "duration",
    default: "1s",
    about: "least time between two of these tries",
  },
  "distributed.comm.retry.delay.max": {
    kind: "duration",
    default: "20s",
    about: "longest time between two of these tries",
  },
  "distributed.comm.socket-backlog": {
    kind: "integer",
    default: 2048,
    about: "connections that may wait to be accepted",
  },
  "distributed.comm.require-encryption": {
    kind: "boolean",
    default: null,
    about: "refuse connections that are not encrypted, those within a process apart",
  },
  "distributed.comm.tls.ca-file": { kind: "text", default: null, about: "certificates of the cluster's authority" },
  "distributed.comm.tls.ciphers": { kind: "text", default: null, about: "OpenSSL's list of allowed ciphers" },
  "distributed.comm.tls.min-version": { kind: "number", default: 1.2, about: "lowest version of TLS, 1.2 or 1.3" },
  "distributed.comm.tls.max-version": { kind: "number", default: null, about: "highest version of TLS" },
  "distributed.comm.tls.scheduler.cert": { kind: "text", default: null, about: "certificate of a scheduler" },
  "distributed.comm.tls.scheduler.key": { kind: "text", default: null, about: "its key, where not in the same file" },
  "distributed.comm.tls.worker.cert": { kind: "text", default: null, about: "certificate of a worker" },
  "distributed.comm.tls.worker.key": { kind: "text", default: null, about: "its key, where not in the same file" },
  "distributed.comm.tls.client.cert": { kind: "text", default: null, about: "certificate of a client" },
  "distributed.comm.tls.client.key": { kind: "text", default: null, about: "its key, where not in the same file" },
  "distributed.adaptive.interval": { kind: "duration", default: "1s", about: "time between two adaptations" },
  "distributed.adaptive.target-duration": {
    kind: "duration",
    default: "5s",
    about: "time in which the work that is known should be done",
  },
  "distributed.adaptive.minimum": { kind: "integer", default: 0, about: "fewest workers" },
  "distributed.adaptive.maximum": {
    kind: "number",
    default: Number.POSITIVE_INFINITY,
    about: "most workers",
  },
  "distributed.adaptive.wait-count": {
    kind: "integer",
    default: 3,
    about: "times in a row that a worker is superfluous before it goes",
  },
  "distributed.dashboard.link": {
    kind: "text",
    default: "{scheme}://{host}:{port}/status",
    about: "form of Client.dashboardLink; names of the environment may stand in it",
  },
  "distributed.admin.log-length": {
    kind: "integer",
    default: 10_000,
    about: "records that a scheduler and a worker keep for getSchedulerLogs and getWorkerLogs",
  },
  "distributed.admin.low-level-log-length": {
    kind: "integer",
    default: 1000,
    about: "transitions of tasks that a scheduler and a worker remember for reports of errors; 1 048 576 at the most",
  },
  "distributed.admin.pdb-on-err": {
    kind: "boolean",
    default: false,
    about:
      "a scheduler or worker that finds its own state broken waits for a debugger, to which Node's inspector listens on 127.0.0.1 for every user of the machine",
  },
  "distributed.admin.event-loop": {
    kind: "text",
    default: "tornado",
    actsOn: [],
    about: "Node has one event loop; a name that Dask does not know ends schedulers and workers when they start",
  },
  "distributed.admin.log-format": {
    kind: "text",
    default: "%(asctime)s - %(name)s - %(levelname)s - %(message)s",
    about:
      "form of lines of getSchedulerLogs and getWorkerLogs, and where it is set of those on stderr, which else are JSON",
  },
  "distributed.admin.max-error-length": {
    kind: "integer",
    default: 10_000,
    about: "characters of an error's text, and of its stack, that a worker sends",
  },
  "distributed.admin.large-graph-warning-threshold": {
    kind: "bytes",
    default: "10MB",
    about: "bytes of a graph beyond which a client warns that data had better be scattered",
  },
  "distributed.admin.tick.interval": {
    kind: "duration",
    default: "20ms",
    about: "time between two looks at how long a turn of the event loop takes",
  },
  "distributed.admin.tick.limit": {
    kind: "duration",
    default: "3s",
    about: "length of a turn of the event loop beyond which a scheduler or worker warns",
  },
  "distributed.admin.tick.cycle": {
    kind: "duration",
    default: "1s",
    about: "time between two looks at whether to warn",
  },
  "distributed.admin.system-monitor.interval": {
    kind: "duration",
    default: "500ms",
    about: "time between two rows of figures on a scheduler's or worker's process and its machine",
  },
  "distributed.admin.system-monitor.log-length": {
    kind: "integer",
    default: 7200,
    about: "rows of such figures that are kept; unset: all",
  },
  "distributed.admin.system-monitor.disk": {
    kind: "boolean",
    default: true,
    about: "measure what all disks of the machine read and write",
  },
  "distributed.admin.system-monitor.host-cpu": {
    kind: "boolean",
    default: false,
    about: "measure what all processors of the machine do, by kind",
  },
  "distributed.admin.system-monitor.gil.enabled": {
    kind: "boolean",
    default: true,
    about: "measure gil_contention: the share of time in which the event loop of the main thread was busy",
  },
  "distributed.admin.system-monitor.gil.interval": {
    kind: "duration",
    default: "1ms",
    about: "least time over which that share is taken; a shorter one makes it no more exact, nor dearer",
  },
  "jobqueue.slurm": { kind: "mapping", default: {}, about: "defaults of SlurmCluster, under dask-jobqueue's names" },
  "rsdat.memory-limit": {
    kind: "text",
    default: "auto",
    about: 'bytes that one process may take ("4GiB"), a fraction of what was allotted, or "auto": 0.8 of it',
  },
  "rsdat.spill.limit": {
    kind: "bytes",
    default: null,
    about: "bytes of blocks that a process may keep on disk; 0 for none; unset: four fifths of what is free there",
  },
  "rsdat.scheduler.plugins": {
    kind: "boolean",
    default: false,
    about:
      "true: a scheduler runs the scheduler plugins that clients register, those that its token vouches for where it has one",
  },
  "rsdat.io.max-block-bytes": {
    kind: "bytes",
    default: "512MiB",
    about: "largest decoded tile or chunk that a file may demand",
  },
  "rsdat.kernels.wide": {
    kind: "boolean",
    default: null,
    about:
      "compute with 256-bit vectors where V8 can; unset: with versions of V8 proven to give the same bits; true: where a self-test passes",
  },
  "rsdat.kernels.huge-pages": {
    kind: "boolean",
    default: true,
    about: "ask Linux for huge pages behind blocks, where it gives them on request only",
  },
  "rsdat.log-level": {
    kind: "text",
    default: null,
    about: "debug, info, warning or error; default warning, and info for the commands scheduler and worker",
  },
  "rsdat.accounting": {
    kind: "text",
    default: null,
    about: "file to which every run adds one line of JSON: where its time went, and its bytes planned and observed",
  },
};

/** Entries by dotted key. */
export const SCHEMA: Readonly<Record<string, ConfigEntry>> = { ...ACTIVE, ...INERT };
