/** Running a graph on a cluster: submit, fetch each wanted block when it is there, let the cluster forget it. */
import { CancelledError, errorToRecord, RemoteProtocolError, RsdatError } from "../base/index.ts";
import {
  type Graph,
  type Hold,
  type Key,
  keysOf,
  type OutputGroup,
  type Plan,
  type RunOptions,
} from "../graph/index.ts";
import { NDArray } from "../ndarray/index.ts";
import type { LayerProgress } from "../protocol/index.ts";
import { fetchValues, settled } from "./fetch.ts";
import type { Link, Watch } from "./link.ts";
import { sendGraph } from "./submit.ts";
import type { BlockWatches } from "./watch.ts";

/** Fetches under way at once, and keys in one of them. */
const FETCHES_MAX = 4;
const KEYS_MAX = 32;
const PROGRESS_MS = 100;

/**
 * Blocks of the graph's outputs, in the order `Runner.run` promises. Blocks leave the cluster as they arrive here, so
 * that it never holds them all.
 *
 * @throws {RemoteError} the first task that failed
 * @throws the signal's reason when it is aborted; the cluster then gives the graph up
 */
export async function runGraph(link: Link, graph: Graph, plan: Plan, options: RunOptions): Promise<NDArray[][]> {
  options.signal?.throwIfAborted();
  const { signal, onProgress, ...rest } = options;
  const group = {
    outputs: graph.outputs.map((_, k) => k),
    ...(signal && { signal }),
    ...(onProgress && { onProgress }),
  };
  return runGroups(link, graph, plan, { groups: [group], options: rest })[0] as Promise<NDArray[][]>; // one for one
}

/** As {@link runGraph} for several callers of one graph; each fails by what it wants itself. */
export function runGroups(
  link: Link,
  graph: Graph,
  plan: Plan,
  { groups, options }: { readonly groups: readonly OutputGroup[]; readonly options: RunOptions },
): Promise<NDArray[][]>[] {
  link.assertOpen();
  const all = graph.wanted().map((ids) => ids.map((id) => graph.key(id)));
  const runs = groups.map(({ outputs, ...own }) => {
    const wanted = outputs.map((k) => all[k] as Key[]); // numbers of outputs
    return {
      wanted,
      run: new GraphRun(link, { keys: Array.from(new Set(wanted.flat())), graph, tasks: plan.tasks }, own),
    };
  });
  sendGraph(link, graph, plan, options);
  return runs.map(async ({ wanted, run }) => {
    const blocks = await run.finish();
    return wanted.map((keys) => keys.map((key) => blocks.get(key) as NDArray)); // the run has a block for every wanted key
  });
}

/** The graph's outputs, computed and kept by the cluster until they are released. */
export function holdGraph(link: Link, graph: Graph, plan: Plan, options: RunOptions): Hold {
  options.signal?.throwIfAborted();
  const groups = [{ outputs: graph.outputs.map((_, k) => k) }];
  return holdGroups(link, graph, plan, { groups, options })[0] as Hold; // one for one
}

/** The same for several callers of one graph, each of which lets go what it wants alone. */
export function holdGroups(
  link: Link,
  graph: Graph,
  plan: Plan,
  { groups, options }: { readonly groups: readonly OutputGroup[]; readonly options: RunOptions },
): Hold[] {
  link.assertOpen();
  const holds = groups.map(({ outputs }) => {
    const layers = outputs.map((k) => graph.outputs[k] as number); // numbers of outputs
    return holdOf(graph, layers, new Wanted(link, graph, layers));
  });
  sendGraph(link, graph, plan, options);
  return holds;
}

function holdOf(graph: Graph, layers: readonly number[], wanted: Wanted): Hold {
  let isHeld = true;
  return {
    names: layers.map((layer) => graph.layer(layer).name),
    wait: () => wanted.settled(),
    release: () => {
      if (!isHeld) return;
      isHeld = false;
      wanted.release();
    },
  };
}

/** The blocks of a graph's outputs, wanted by the layer where that can be. */
class Wanted {
  readonly #link: Link;
  readonly #layers: BlockWatches[] = [];
  readonly #watches: Watch[] = [];
  /** Nobody hears of blocks that are wanted no more: whoever waits for them has to. */
  readonly #released = Promise.withResolvers<never>();

  constructor(link: Link, graph: Graph, outputs: readonly number[]) {
    this.#link = link;
    this.#released.promise.catch(() => undefined); // whoever waits is told; perhaps nobody does
    const seen = new Set<string>();
    for (const output of outputs) {
      const layer = graph.layer(output);
      if (seen.has(layer.name)) continue;
      seen.add(layer.name);
      const blocks = link.isNative && keysOf(layer) === null ? link.retainBlocks(layer.name, graph.grid(output)) : null;
      if (blocks) this.#layers.push(blocks);
      else
        for (let index = 0; index < graph.count(output); index++)
          this.#watches.push(link.retain(graph.key(graph.base(output) + index)));
    }
  }

  /** @throws the first task's error  @throws {CancelledError} they are, or get, released */
  settled(): Promise<void> {
    return Promise.race([this.#settled(), this.#released.promise]);
  }

  async #settled(): Promise<void> {
    await Promise.all(this.#layers.map((blocks) => this.#link.blocksSettled(blocks)));
    const watches = [...this.#watches, ...this.#layers.flatMap(({ byKey }) => Array.from(byKey.values()))];
    const keys = watches.map(({ key }) => key);
    await settled(
      this.#link,
      keys.filter((key) => this.#link.isWatched(key)), // perhaps released meanwhile
    );
  }

  release(): void {
    this.#released.reject(new CancelledError("nobody uses the persisted array any more: its blocks were given up"));
    for (const blocks of this.#layers) this.#link.releaseBlocks(blocks);
    for (const watch of this.#watches) this.#link.release(watch);
  }
}

class GraphRun {
  readonly #link: Link;
  readonly #options: RunOptions;
  readonly #keys: readonly Key[];
  readonly #held = new Map<Key, Watch>();
  readonly #blocks = new Map<Key, NDArray>();
  readonly #arrived: Key[] = [];
  readonly #done = Promise.withResolvers<void>();
  readonly #layers: ReadonlySet<string>;
  readonly #ear: Disposable | null;
  readonly #tasks: number;
  readonly #counted = { done: 0, bytesRead: 0, bytesWritten: 0 };
  #fetches = 0;
  #reported = Number.NEGATIVE_INFINITY;

  constructor(
    link: Link,
    { keys, graph, tasks }: { readonly keys: readonly Key[]; readonly graph: Graph; readonly tasks: number },
    options: RunOptions,
  ) {
    this.#layers = new Set(graph.layers.map((layer) => layer.name));
    this.#tasks = tasks;
    this.#ear = options.onProgress ? link.listen((layers) => this.#count(layers)) : null;
    this.#link = link;
    this.#keys = keys;
    this.#options = options;
    if (keys.length === 0) this.#done.resolve();
    for (const key of keys) {
      const watch = link.retain(key);
      this.#held.set(key, watch);
      link.whenSettled(watch, () => this.#settled(key));
    }
  }

  async finish(): Promise<ReadonlyMap<Key, NDArray>> {
    using _hold = this.#link.hold();
    using _ear = this.#ear;
    const { signal } = this.#options;
    const onAbort = (): void => {
      this.#link.send({
        op: "cancel-keys",
        keys: Array.from(this.#held.keys()),
        force: false,
        reason: "aborted by the client",
        msg: null,
      });
      this.#done.reject(signal?.reason);
    };
    if (signal?.aborted) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    try {
      await this.#done.promise;
      this.#report(true);
      return this.#blocks;
    } finally {
      signal?.removeEventListener("abort", onAbort);
      for (const watch of this.#held.values()) this.#link.release(watch);
      this.#held.clear();
    }
  }

  #settled(key: Key): void {
    const watch = this.#held.get(key);
    if (!watch) return;
    const { error } = watch;
    if (error) return this.#done.reject(error);
    this.#arrived.push(key);
    this.#pump();
  }

  #pump(): void {
    while (this.#fetches < FETCHES_MAX && this.#arrived.length > 0) {
      this.#fetches++;
      // Keys that arrive in the same turn travel together.
      setImmediate(() => void this.#take(this.#arrived.splice(0, KEYS_MAX)));
    }
  }

  async #take(keys: readonly Key[]): Promise<void> {
    try {
      const held = keys.filter((key) => this.#held.has(key));
      for (const [key, value] of await fetchValues(this.#link, held)) {
        if (!(value instanceof NDArray)) throw new RemoteProtocolError(`a task of an array gave a ${typeof value}`);
        this.#blocks.set(key, value);
        const watch = this.#held.get(key);
        if (watch) this.#link.release(watch);
        this.#held.delete(key);
      }
      if (this.#blocks.size === this.#keys.length) this.#done.resolve();
    } catch (error) {
      this.#done.reject(
        error instanceof RsdatError ? error : new RemoteProtocolError(errorToRecord(error).message, { cause: error }),
      );
    } finally {
      this.#fetches--;
      this.#pump();
    }
  }

  #count(layers: ReadonlyMap<string, LayerProgress>): void {
    for (const [name, { done, bytesRead, bytesWritten }] of layers) {
      if (!this.#layers.has(name)) continue;
      this.#counted.done += done;
      this.#counted.bytesRead += bytesRead;
      this.#counted.bytesWritten += bytesWritten;
    }
    this.#report(false);
  }

  /** Tasks that a lost worker made run again count once. */
  #report(isLast: boolean): void {
    const { onProgress } = this.#options;
    const now = performance.now();
    if (!onProgress || (!isLast && now - this.#reported < PROGRESS_MS)) return;
    this.#reported = now;
    const done = isLast ? this.#tasks : Math.min(this.#counted.done, this.#tasks);
    onProgress({ ...this.#counted, done, total: this.#tasks });
  }
}
