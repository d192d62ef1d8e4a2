/**
 * Calls as columns, to a scheduler that speaks the dialect: those of one turn of the event loop travel as one layer, however
 * many `submit`s they come from, so that a chain is one message. What else is said meanwhile is said after them.
 */
import {
  CallsBuilder,
  type CallTask,
  callDigits,
  chunksOfCalls,
  encodeGraph,
  Graph,
  type Key,
  KeyColumn,
  keyPrefix,
  type Layer,
  type PlacedCall,
  type Plain,
  placeCall,
  plainCalls,
  type TaskId,
} from "../graph/index.ts";
import type { UpdateLayers } from "../protocol/index.ts";
import { keyOfFuture } from "./functions.ts";
import { warnOfLarge } from "./large-graph.ts";
import type { Link } from "./link.ts";
import type { TaskOptions } from "./submit.ts";

/** Binary data among the arguments of one submission beyond which it travels as single tasks: columns go to every worker. */
const BINARY_BYTES_MAX = 2 ** 20;
/** Calls of one layer. */
const CALLS_MAX = 2 ** 20;

/** A client, as far as calls in columns need it. */
interface Caller {
  readonly link: Link;
  readonly token: string | null;
}

/** A call that is ready to be sent. */
export interface PendingCall {
  readonly key: Key;
  readonly text: string;
  readonly args: Plain;
  /** What graph's `plainText` makes of them, if that is known. */
  readonly argsText?: string;
  readonly dependencies: readonly Key[];
  readonly isWanted: boolean;
}

/** Calls of one text, with numbers, texts and truth values only, and keys of content. */
export interface PlainColumn {
  readonly keys: KeyColumn;
  readonly text: string;
  /** What graph's `plainText` makes of the arguments of each. */
  readonly argsTexts: readonly string[];
}

/** The calls of this turn of one link. */
class Turn {
  readonly #caller: Caller;
  #calls: PendingCall[] = [];
  /** Number of each call by its key. */
  readonly #numbers = new Map<Key, number>();
  #options: TaskOptions = {};
  #count = 0;

  constructor(caller: Caller) {
    this.#caller = caller;
  }

  add(calls: readonly PendingCall[], options: TaskOptions): void {
    if (this.#calls.length > 0 && (!isSame(options, this.#options) || this.#calls.length + calls.length > CALLS_MAX))
      this.flush();
    this.#options = options;
    for (const call of calls) {
      if (this.#numbers.has(call.key)) continue;
      this.#numbers.set(call.key, this.#calls.length);
      this.#calls.push(call);
    }
    this.#caller.link.holdBack(() => this.flush());
  }

  /** Send many calls at once, after what is collected. */
  sendPlain({ keys, text, argsTexts }: PlainColumn, options: TaskOptions): void {
    this.flush();
    const { token } = this.#caller;
    const layer = plainCalls({ name: this.#nameFor(keys.at(0)), keys, text, argsTexts }, token);
    this.#send(new Graph([{ ...layer, inline: false }], [0]), [[0, 0, keys.length]], options);
  }

  /** Send what is collected. */
  flush(): void {
    if (this.#calls.length === 0) return;
    const calls = this.#calls;
    this.#calls = [];
    const graph = this.#graphOf(calls);
    const [own] = graph.outputs as readonly [number];
    this.#numbers.clear();
    this.#send(
      graph,
      rangesOf(calls).map(([start, stop]) => [own, start, stop] as const),
      this.#options,
    );
  }

  #nameFor(key: Key): string {
    return `${keyPrefix(key)}-${this.#caller.link.id}-${++this.#count}`;
  }

  #send(graph: Graph, wanted: UpdateLayers["wanted"], options: TaskOptions): void {
    const { link } = this.#caller;
    const { priority, retries, workers, allowOtherWorkers } = options;
    const placement = Object.entries({ priority, retries, workers, allow_other_workers: allowOtherWorkers });
    const layers = encodeGraph(graph);
    warnOfLarge(layers.byteLength, link.logger);
    link.send({
      op: "update-layers",
      layers,
      wanted,
      annotations: new Map<string, unknown>([
        ...placement.filter(([, value]) => value !== undefined),
        ["least_bytes", 0],
        ["largest_task_bytes", 0],
      ]),
      client: link.id,
      stimulusId: `update-layers-${link.id}`,
    });
  }

  /** A layer of results that are read and come from elsewhere, if there are any, and one of the calls. */
  #graphOf(calls: readonly PendingCall[]): Graph {
    const known = new Map<Key, number>();
    calls.forEach(({ dependencies }, number) => {
      for (const key of dependencies) {
        const own = this.#numbers.get(key);
        if ((own === undefined || own >= number) && !known.has(key)) known.set(key, known.size);
      }
    });
    const builder = new CallsBuilder();
    calls.forEach((call, number) => {
      const inputs = call.dependencies.map((input): TaskId => {
        const own = this.#numbers.get(input);
        // What is no earlier call of this turn was entered above.
        return own !== undefined && own < number ? known.size + own : (known.get(input) as number);
      });
      builder.add({ ...call, inputs });
    });
    const { link, token } = this.#caller;
    const name = this.#nameFor(calls[0]?.key as Key); // not empty
    const own = { ...builder.build(name, token), inline: false };
    if (known.size === 0) return new Graph([own], [0]);
    const held: Layer = {
      kind: "held",
      name: `known-${link.id}-${this.#count}`,
      dtype: "float64",
      chunks: chunksOfCalls(known.size),
      keys: KeyColumn.of(Array.from(known.keys())),
      inline: false,
    };
    return new Graph([held, own], [1]);
  }
}

const TURNS = new WeakMap<Link, Turn>();

/** True where calls may travel as columns: Dask's schedulers do not know them, and they make no demands on resources. */
export function takesColumns(link: Link, options: TaskOptions): boolean {
  return link.isNative && options.resources === undefined;
}

/**
 * Calls of JavaScript texts, ready to be sent as columns; null where they hold so much data that they must travel otherwise.
 * @throws {ArgumentError} {ClosureError} an argument that cannot travel
 */
export function placeCalls(calls: readonly CallTask[], wanted: ReadonlySet<Key>): readonly PendingCall[] | null {
  let binaryBytes = 0;
  const placed: PendingCall[] = [];
  for (const { key, fn, args } of calls) {
    if (typeof fn !== "string") return null;
    const call: PlacedCall = placeCall(args, keyOfFuture);
    binaryBytes += call.binaryBytes;
    placed.push({ key, text: fn, args: call.args, dependencies: call.dependencies, isWanted: wanted.has(key) });
  }
  return binaryBytes > BINARY_BYTES_MAX ? null : placed;
}

/** Calls of one text with numbers, texts and truth values only, which say themselves what they are. */
export interface PlainCalls {
  readonly text: string;
  readonly calls: readonly (readonly unknown[])[];
  /** Key of a call, from the text of its arguments. */
  keyOf(argsText: string, index: number): Key;
}

/** As {@link placeCalls}, all of them wanted; null where some arguments are more than that. */
export function placePlain({ text, calls, keyOf }: PlainCalls): readonly PendingCall[] | null {
  const placed: PendingCall[] = [];
  for (let i = 0; i < calls.length; i++) {
    const args = calls[i] as readonly unknown[]; // i < length
    if (!args.every(isScalar)) return null;
    const argsText = JSON.stringify(args);
    const key = keyOf(argsText, i);
    placed.push({ key, text, args: args as Plain, argsText, dependencies: NO_KEYS, isWanted: true }); // scalars are plain
  }
  return placed;
}

const NO_KEYS: readonly Key[] = [];

/** Calls of which there are so many at once travel by themselves. */
export const MANY_CALLS = 16;

/**
 * As {@link placePlain}, with keys of content, which begin with `head`: no key is made a text before somebody asks for it.
 * Null where some arguments are more than that.
 */
export function placeMany(text: string, calls: readonly (readonly unknown[])[], head: string): PlainColumn | null {
  const argsTexts: string[] = [];
  for (const args of calls) {
    for (const arg of args) if (!isScalar(arg)) return null;
    argsTexts.push(JSON.stringify(args));
  }
  return { keys: KeyColumn.ofDigits(head, callDigits(text, argsTexts)), text, argsTexts };
}

/** What JSON says as it is. */
function isScalar(value: unknown): boolean {
  if (typeof value === "number") return Number.isFinite(value) && !Object.is(value, -0);
  return typeof value === "string" || typeof value === "boolean" || value === null;
}

/** Send them at the end of the turn, or before whatever else is said in it. */
export function sendColumns(caller: Caller, calls: readonly PendingCall[], options: TaskOptions): void {
  turnOf(caller).add(calls, options);
}

/** Send many calls now. */
export function sendMany(caller: Caller, calls: PlainColumn, options: TaskOptions): void {
  turnOf(caller).sendPlain(calls, options);
}

function turnOf(caller: Caller): Turn {
  let turn = TURNS.get(caller.link);
  if (!turn) {
    turn = new Turn(caller);
    TURNS.set(caller.link, turn);
  }
  return turn;
}

function isSame(a: TaskOptions, b: TaskOptions): boolean {
  return a === b || JSON.stringify(a) === JSON.stringify(b);
}

/** Runs of calls whose results are wanted. */
function rangesOf(calls: readonly PendingCall[]): [start: number, stop: number][] {
  const ranges: [number, number][] = [];
  for (const [number, { isWanted }] of calls.entries()) {
    if (!isWanted) continue;
    const last = ranges.at(-1);
    if (last?.[1] === number) last[1] = number + 1;
    else ranges.push([number, number + 1]);
  }
  return ranges;
}
