/**
 * The rooms of `src/`: what each holds, what it may import and which powers it may touch. The law of the house:
 * `test/tidy.test.ts` checks every source against it, and `docs/rooms.md` is written from it.
 */

/** Abilities that are not values: ambient objects, Node modules and packages. */
export type Ambient = "clock" | "timers" | "random" | "env" | "console" | "process" | "fetch" | "WebAssembly";

export interface Room {
  readonly name: string;
  readonly holds: string;
  /** Lower rooms, entered through their `index.ts` only. */
  readonly imports: readonly string[];
  /** Rooms of which only types may be imported. */
  readonly types?: readonly string[];
  readonly ambient?: readonly Ambient[];
  /** Node modules, without the `node:` prefix; `fs` covers `fs/promises`. */
  readonly node?: readonly string[];
  readonly packages?: readonly string[];
  /** `state`: a machine, no promises, clocks, processes or classes that hide them. `sync`: no promises. */
  readonly purity?: "state" | "sync";
}

const STATE_WORDS = ["async", "await", "Promise", "Date", "performance", "process", "console", "setTimeout", "crypto"];

/** Words that may not appear in the code (comments and strings aside) of a room of that purity. */
export const BANNED_WORDS: Readonly<Record<"state" | "sync", readonly string[]>> = {
  state: STATE_WORDS,
  sync: ["async", "await", "Promise"],
};

const ALL_BUT_TESTING = [
  "base",
  "config",
  "dtype",
  "geo",
  "ndarray",
  "kernels",
  "graph",
  "protocol",
  "io",
  "executor",
  "array",
  "comm",
  "scheduler",
  "worker",
  "local",
  "client",
  "report",
  "cluster",
  "xr",
  "plot",
];

/** From the ground up: a room imports only rooms that stand above it in this list. */
export const ROOMS: readonly Room[] = [
  {
    name: "base",
    holds: "errors, `invariant()`, heaps, byte and duration parsing, seeded random, `Clock` and `Logger` types",
    imports: [],
  },
  {
    name: "config",
    holds:
      "Dask's configuration: schema, defaults, YAML files, `DASK_*` variables, overrides; what this process was allotted (CPUs, memory); the real clock and the default logger",
    imports: ["base"],
    ambient: ["env", "console", "clock", "timers", "process"],
    node: ["fs", "os", "path", "url", "perf_hooks", "inspector"],
    packages: ["yaml", "pino"],
  },
  {
    name: "dtype",
    holds:
      "the only dtype rules: names, sizes, typed-array classes, casting, promotion, fill values, numpy/zarr/TIFF codes",
    imports: ["base"],
    purity: "sync",
  },
  {
    name: "geo",
    holds: "affine, bounding box, CRS handle, geobox, grid alignment",
    imports: ["base"],
    packages: ["proj4"],
  },
  {
    name: "ndarray",
    holds: "one block in memory: data, shape, stride (in elements); slicing algebra, broadcasting, strided copy",
    imports: ["base", "dtype"],
    purity: "sync",
  },
  {
    name: "graph",
    holds:
      "expressions (IR types, composing, hashing), keys, native task spec, layers, blockwise, rechunk plans, cull, fuse, order, tokenize, `Plan`; the `Runner` interface, the registered runner, and a plain sequential runner (the oracle of all simulations)",
    imports: ["base", "dtype", "ndarray"],
    node: ["crypto", "async_hooks"],
    packages: ["acorn"],
  },
  {
    name: "kernels",
    holds:
      "block to block: lowers expressions to WebAssembly, reductions, selection, stencils; looked up by name or expression hash; makes the shared memory segments; byte kernels",
    imports: ["base", "dtype", "ndarray", "geo"],
    types: ["graph"],
    ambient: ["WebAssembly"],
    node: ["v8", "fs", "module"],
    packages: ["koffi"],
  },
  {
    name: "protocol",
    holds:
      "the only wire: framing, msgpack, pickle subset, serializers, message types, addresses; bytes to messages and back, no sockets",
    imports: ["base", "dtype", "ndarray", "graph"],
    node: ["zlib", "crypto"],
    packages: ["msgpackr", "apache-arrow"],
  },
  {
    name: "io",
    holds:
      "stores (file, http, memory), range merging, codecs, zarr, tiff, cog; bytes to blocks and back; byte kernels are injected by `executor`",
    imports: ["base", "config", "dtype", "ndarray", "geo"],
    ambient: ["timers", "clock", "env", "process"],
    node: ["fs", "path", "url", "http", "https", "zlib", "crypto"],
    packages: ["undici", "geotiff", "p-queue"],
  },
  {
    name: "executor",
    holds:
      "the chunk arena (allocator, reference counts), compute and data threads, rings; runs native task specs within a byte budget",
    imports: ["base", "dtype", "geo", "ndarray", "kernels", "graph", "io"],
    ambient: ["timers", "clock", "process"],
    node: ["worker_threads", "inspector", "fs", "os", "path", "url", "v8", "vm"],
  },
  {
    name: "array",
    holds:
      "the lazy chunked array: creation, operators, `expr`, reductions, rechunk, user functions, random numbers, `store`; the end of a tick, at which its calls become one graph",
    imports: ["base", "config", "dtype", "ndarray", "kernels", "graph", "io"],
    ambient: ["timers"],
    node: ["crypto"],
  },
  {
    name: "comm",
    holds: "tcp and in-process transports; pool, batched sending, rpc",
    imports: ["base", "protocol"],
    ambient: ["timers", "clock"],
    node: ["net", "tls", "os"],
    packages: ["ws"],
  },
  {
    name: "scheduler/state",
    holds: "pure: tasks, workers, clients, transitions, placement, stealing, queuing, replicas",
    imports: ["base", "graph"],
    types: ["protocol"],
    purity: "state",
  },
  {
    name: "scheduler",
    holds: "the shell around its machine: listens, feeds the machine, sends; http",
    imports: ["base", "graph", "scheduler/state", "config", "protocol", "comm"],
    ambient: ["timers", "clock", "process"],
    node: ["http", "fs", "os", "path", "crypto", "zlib"],
  },
  {
    name: "worker/state",
    holds: "pure: ready and constrained heaps, fetches, memory pressure, cancellation",
    imports: ["base", "graph"],
    types: ["protocol"],
    purity: "state",
  },
  {
    name: "worker",
    holds: "the shell around its machine: registers, gathers, hands tasks to the executor",
    imports: ["base", "dtype", "ndarray", "graph", "worker/state", "config", "protocol", "comm", "executor"],
    ambient: ["timers", "clock", "env", "process"],
    node: ["child_process", "os", "fs", "path", "url", "crypto", "http"],
  },
  {
    name: "local",
    holds: "the embedded runner: the scheduler's machine and the executor in one process, without a wire",
    imports: ["base", "config", "dtype", "ndarray", "kernels", "graph", "executor", "scheduler/state"],
    ambient: ["timers", "clock", "process"],
    node: ["worker_threads", "url", "perf_hooks"],
  },
  {
    name: "client",
    holds: "Client, Future, gather, scatter, events; is a `Runner`; takes any `ClusterHandle`",
    imports: ["base", "config", "dtype", "ndarray", "graph", "protocol", "comm"],
    ambient: ["timers", "clock", "process"],
    node: ["crypto", "fs", "module", "url"],
  },
  {
    name: "report",
    holds: "progress bar and line mode, end-of-run accounting, performance report",
    imports: ["base", "config", "graph"],
    types: ["client"],
    ambient: ["timers", "clock", "process", "env"],
    node: ["fs", "path"],
    packages: ["log-update"],
  },
  {
    name: "cluster",
    holds: "LocalCluster (processes), Slurm clusters, job scripts; each is a `ClusterHandle`",
    imports: ["base", "config", "protocol", "comm", "client", "scheduler", "worker"],
    ambient: ["timers", "clock", "env", "process"],
    node: ["child_process", "fs", "os", "path", "url", "crypto", "dgram"],
  },
  {
    name: "xr",
    holds:
      "labelled layer: DataArray, Dataset, coordinates, nodata, geobox, `openRaster`, `openZarr`, `toCog`, reductions by name",
    imports: ["base", "config", "dtype", "ndarray", "geo", "kernels", "graph", "io", "array"],
  },
  {
    name: "plot",
    holds: "quicklook PNG, colour maps",
    imports: ["base", "dtype", "ndarray", "geo"],
    node: ["zlib"],
  },
  {
    name: "cli",
    holds: "`rsdat scheduler`, `worker`, `submit`, `spec`, `plan`, `config`, `info`, `doctor`",
    imports: ALL_BUT_TESTING,
    ambient: ["process", "console", "env", "timers", "clock"],
    node: ["child_process", "fs", "os", "path", "url"],
    packages: ["commander", "yaml"],
  },
  {
    name: "testing",
    holds: "virtual clock, simulated network, tiny cluster, oracles; public",
    imports: [...ALL_BUT_TESTING, "scheduler/state", "worker/state"],
  },
];

/**
 * The front doors: files directly in `src/`. They may import any room but `cli` and `testing`, have no powers, and
 * nothing imports them.
 */
export const FRONT: Room = { name: "front", holds: "what a pipeline script needs", imports: ALL_BUT_TESTING };

/** Files that may be longer than 600 lines, each with the reason. */
export const LONG_FILES: Readonly<Record<string, string>> = {};

/** Things that have one home: a pattern over code with its strings, and the room that owns it. */
export const HOMES: readonly { readonly what: string; readonly pattern: RegExp; readonly room: string }[] = [
  { what: "a NumPy dtype code", pattern: /["'`][<>|=][biufcmMSU]\d{1,2}(\[\w+\])?["'`]/, room: "dtype" },
  { what: "a Dask frame marker", pattern: /["'`]__(Serialized?|Pickled|ToPickle|Set|Enum)__["'`]/, room: "protocol" },
  {
    what: "a pickle opcode",
    pattern: /\b(STACK_GLOBAL|SHORT_BINUNICODE|BINUNICODE8?|MEMOIZE|BINPUT|BINGET|EMPTY_TUPLE|NEWOBJ(_EX)?|SETITEMS)\b/,
    room: "protocol",
  },
];

/** The table as a page. */
export function roomsPage(): string {
  const rows = ROOMS.map((room) => {
    const imports = [...room.imports, ...(room.types ?? []).map((name) => `${name} (types)`)];
    const touches = [...(room.ambient ?? []), ...(room.node ?? []), ...(room.packages ?? [])];
    const cell = (names: readonly string[]) => (names.length > 0 ? names.join(", ") : "–");
    return `| \`${room.name}\` | ${room.holds} | ${cell(imports)} | ${cell(touches)} |`;
  });
  return `# Rooms

Written by \`npm run docs:rooms\` from \`test/tidy/rooms.ts\`; do not edit. Read from the ground up: a room may import the
rooms in its third column, through their \`index.ts\`, and touch the powers, Node modules and packages in its fourth.
\`test/tidy.test.ts\` fails on anything else.

| room | holds | imports | touches |
|---|---|---|---|
${rows.join("\n")}
`;
}
