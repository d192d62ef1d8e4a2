import { afterEach, describe, expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { placeCalls, placeMany, placePlain, sendColumns, takesColumns } from "../../src/client/call-columns.ts";
import { mapCalls, submitCall } from "../../src/client/calls.ts";
import { gatherAll } from "../../src/client/gather.ts";
import { Link } from "../../src/client/link.ts";
import type { TaskOptions } from "../../src/client/submit.ts";
import { type Comm, listen, NO_REPLY, readStream, serveRequests } from "../../src/comm/index.ts";
import { securityFor } from "../../src/config/index.ts";
import {
  callTokens,
  decodeGraph,
  type Graph,
  type Key,
  KeyRef,
  keyOfValue,
  tokenize,
  verifyCalls,
} from "../../src/graph/index.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { CLIENT_TO_SCHEDULER, type ClientToScheduler } from "../../src/protocol/index.ts";

const opened: AsyncDisposable[] = [];
afterEach(async () => {
  for (const thing of opened.splice(0).reverse()) await thing[Symbol.asyncDispose]();
});

const key = (name: string): Key => keyOfValue(name);
const ref = (name: string): KeyRef => new KeyRef(key(name));
const TOKEN = "of the cluster";

/** A link to something that answers as a scheduler does, and what it hears. */
async function linked(options: {
  readonly dialect: boolean;
}): Promise<{ readonly link: Link; readonly heard: ClientToScheduler[][] }> {
  const heard: ClientToScheduler[][] = [];
  const register = async (_: unknown, comm: Comm): Promise<typeof NO_REPLY> => {
    comm.send([{ op: "stream-start", warning: "", error: "" }]);
    for await (const messages of readStream(comm, CLIENT_TO_SCHEDULER.parse)) heard.push(messages);
    return NO_REPLY;
  };
  const handlers = {
    "register-client": register,
    identity: () => ({ type: "Scheduler", id: "s", address: "", services: {}, started: 0, workers: {} }),
    versions: () => ({ host: {}, packages: {} }),
  };
  const listener = await listen("tcp://127.0.0.1:0", (comm) => serveRequests(comm, handlers, silentLogger), {
    dialect: true,
  });
  opened.push(listener);
  const link = await Link.open(listener.address, {
    timeoutMs: 5000,
    logger: silentLogger,
    name: "test",
    dialect: options.dialect,
    security: securityFor("client"),
  });
  opened.push({ [Symbol.asyncDispose]: () => link.close() });
  return { link, heard };
}

function call(
  name: string,
  ...args: unknown[]
): { readonly key: Key; readonly fn: string; readonly args: readonly unknown[] } {
  return { key: key(name), fn: "(...xs) => xs", args };
}

/** Send calls as columns if they can travel so. */
function sendAsColumns(
  caller: { readonly link: Link; readonly token: string | null },
  calls: ReturnType<typeof call>[],
  { wanted, options }: { readonly wanted: ReadonlySet<Key>; readonly options: TaskOptions },
): boolean {
  const placed = takesColumns(caller.link, options) ? placeCalls(calls, wanted) : null;
  if (placed) sendColumns(caller, placed, options);
  return placed !== null;
}

/** The batches heard until `count` messages are there, heartbeats apart. */
async function until(heard: readonly ClientToScheduler[][], count: number): Promise<ClientToScheduler[][]> {
  for (;;) {
    const batches = heard
      .map((batch) => batch.filter(({ op }) => op !== "heartbeat-client"))
      .filter((b) => b.length > 0);
    if (batches.flat().length >= count) return batches;
    await new Promise((resolve) => setImmediate(resolve));
  }
}

function graphOf(message: ClientToScheduler | undefined): { readonly graph: Graph; readonly wanted: unknown } {
  if (message?.op !== "update-layers") throw new Error(`${message?.op} instead of update-layers`);
  return { graph: decodeGraph(message.layers), wanted: message.wanted };
}

const names = (graph: Graph): string[] => Array.from({ length: graph.taskCount }, (_, task) => graph.key(task));

describe("calls of plain arguments", () => {
  const text = "(...xs) => xs";
  const lists = [[1, "a", true, null], [], [0.5], ['quo"te'], [1e300], ["$n"], ["ü"]];

  test("are placed as others are, with the key that their arguments as data give", () => {
    const tokenOf = callTokens(text);
    const keyOf = (args: string): Key => keyOfValue(`f-${tokenOf(args)}`);
    const plain = placePlain({ text, calls: lists, keyOf });
    const keys = lists.map((args) => keyOfValue(`f-${tokenize({ text, args, kwargs: null })}`));
    const others = placeCalls(
      lists.map((args, i) => ({ key: keys[i] as Key, fn: text, args })),
      new Set(keys),
    );
    expect(plain?.map(({ argsText, ...rest }) => ({ ...rest, text: JSON.parse(String(argsText)) }))).toEqual(
      others?.map((each) => ({ ...each, text: each.args })),
    );
    const many = placeMany(text, lists, "f-");
    expect(many?.keys.toArray()).toEqual(keys);
    expect(many?.argsTexts).toEqual(plain?.map(({ argsText }) => argsText));
  });

  test("are nothing else: not minus zero, NaN, lists, objects, bytes, nor what is missing", () => {
    for (const odd of [-0, Number.NaN, Number.POSITIVE_INFINITY, 1n, undefined, [1], { a: 1 }, new Uint8Array(1)])
      expect([
        placePlain({ text, calls: [[1], [odd]], keyOf: () => keyOfValue("k") }),
        placeMany(text, [[1], [odd]], "f-"),
      ]).toEqual([null, null]);
  });

  test("go out in messages that grow, the first while the next is made; one that cannot travel takes back the others", async () => {
    const { link, heard } = await linked({ dialect: true });
    const caller = { link, token: null };
    const numbers = Array.from({ length: 1000 }, (_, i) => i);
    const futures = await mapCalls(caller, (x: number) => x, { lists: [numbers], options: {} });
    expect(futures.length).toBe(1000);
    const sent = (await until(heard, 3)).flat();
    expect(sent.map((message) => graphOf(message).graph.taskCount)).toEqual([256, 512, 232]);
    expect(sent.flatMap((message) => names(graphOf(message).graph))).toEqual(futures.map((future) => future.key));
    const bad = [...numbers.map((i) => 1000 + i), () => 0];
    await expect(mapCalls(caller, (x: unknown) => x, { lists: [bad], options: {} })).rejects.toMatchObject({
      code: "closure",
    });
    expect(futures.every(({ key }) => link.isWatched(key))).toBe(true);
    const last = (await until(heard, 6)).flat().at(-1);
    expect(last?.op === "client-releases-column" && last.keys.length).toBe(768);
  });

  test("many at once have the keys that one alone has, and are wanted together with it", async () => {
    const { link, heard } = await linked({ dialect: true });
    const caller = { link, token: TOKEN };
    const fn = (x: number): number => x;
    const numbers = Array.from({ length: 40 }, (_, i) => i % 20);
    const futures = await mapCalls(caller, fn, { lists: [numbers], options: {} });
    const one = await submitCall(caller, fn, { args: [3], options: {} });
    expect([futures[3]?.key, futures[23]?.key]).toEqual([one.key, one.key]);
    expect(String(one)).toBe(`<Future: pending, key: ${one.key}>`);
    expect([futures[23]?.watch, futures[4]?.watch === one.watch]).toEqual([one.watch, false]);
    const [first] = (await until(heard, 2)).flat();
    const { graph } = graphOf(first as ClientToScheduler);
    expect(names(graph)).toEqual(futures.map((future) => future.key));
    const layer = graph.layer(0);
    expect(layer.kind === "calls" && verifyCalls(layer, TOKEN)).toBe(true);
    expect(graph.expand(23).spec.steps[0]).toMatchObject({ text: "(x) => x", args: [3] });
    for (const future of futures) future.release();
    const last = (await until(heard, 3)).flat().at(-1);
    expect(last?.op === "client-releases-column" && last.keys.toArray().includes(one.key)).toBe(false);
    expect(last?.op === "client-releases-column" && last.keys.length).toBe(19);
    expect(link.isWatched(one.key)).toBe(true);
    await expect(gatherAll(link, [futures[4]], "raise")).rejects.toMatchObject({ code: "released" });
    // What is released while somebody waits for it ends as in Dask.
    const waits = gatherAll(link, [one], "raise");
    one.release();
    await expect(waits).rejects.toMatchObject({ code: "cancelled" });
    expect(one.status).toBe("cancelled");
  });
});

describe("calls of one turn", () => {
  test("are one layer, with edges among them and to results from elsewhere; the mac is the cluster's", async () => {
    const { link, heard } = await linked({ dialect: true });
    const send = (wanted: string[], ...calls: ReturnType<typeof call>[]): boolean =>
      sendAsColumns({ link, token: TOKEN }, calls, { wanted: new Set(wanted.map(key)), options: {} });
    expect(send(["a"], call("a", 1, ref("far")))).toBe(true);
    await Promise.resolve(); // a microtask ends no turn
    expect(send(["c"], call("b", ref("a"), ref("a")), call("c", ref("b"), ref("far"), ref("further")))).toBe(true);
    send(["a"], call("a", 1, ref("far"))); // the same once more
    const [batch, ...rest] = await until(heard, 1);
    expect(rest).toEqual([]);
    const { graph, wanted } = graphOf(batch?.[0]);
    expect(names(graph)).toEqual(["far", "further", "a", "b", "c"]);
    expect(wanted).toEqual([
      [1, 0, 1],
      [1, 2, 3],
    ]);
    expect([2, 3, 4].map((task) => graph.expand(task).dependencies)).toEqual([[0], [2], [3, 0, 1]]);
    const { layers } = graph;
    expect(layers.map((layer) => layer.kind === "calls" && verifyCalls(layer, TOKEN))).toEqual([false, true]);
  });

  test("come before whatever else is said in the turn", async () => {
    const { link, heard } = await linked({ dialect: true });
    sendAsColumns({ link, token: null }, [call("a")], { wanted: new Set([key("a")]), options: {} });
    link.send({ op: "cancel-keys", keys: [key("a")], force: false, reason: "", msg: "" });
    sendAsColumns({ link, token: null }, [call("b")], { wanted: new Set([key("b")]), options: {} });
    const batches = await until(heard, 3);
    expect(batches.flat().map(({ op }) => op)).toEqual(["update-layers", "cancel-keys", "update-layers"]);
  });

  test("of different placement are different layers", async () => {
    const { link, heard } = await linked({ dialect: true });
    const wanted = new Set<Key>();
    sendAsColumns({ link, token: null }, [call("a")], { wanted, options: { priority: 1 } });
    sendAsColumns({ link, token: null }, [call("b")], { wanted, options: { priority: 1 } });
    sendAsColumns({ link, token: null }, [call("c")], { wanted, options: { workers: ["w"], retries: 2 } });
    const messages = (await until(heard, 2)).flat();
    expect(messages.map((message) => names(graphOf(message).graph))).toEqual([["a", "b"], ["c"]]);
    const annotations = messages.map((m) => (m.op === "update-layers" ? Object.fromEntries(m.annotations) : null));
    expect(annotations).toEqual([
      { priority: 1, least_bytes: 0, largest_task_bytes: 0 },
      { workers: ["w"], retries: 2, least_bytes: 0, largest_task_bytes: 0 },
    ]);
  });

  test("go as single tasks with much data, demands on resources, Python functions, or without the dialect", async () => {
    const { link } = await linked({ dialect: true });
    const large = new NDArray("float64", new Float64Array(200_000), [200_000]);
    const wanted = new Set<Key>();
    expect(sendAsColumns({ link, token: null }, [call("a", large)], { wanted, options: {} })).toBe(false);
    expect(sendAsColumns({ link, token: null }, [call("a")], { wanted, options: { resources: { gpu: 1 } } })).toBe(
      false,
    );
    const plain = await linked({ dialect: false });
    expect(sendAsColumns({ link: plain.link, token: null }, [call("a")], { wanted, options: {} })).toBe(false);
  });

  test("an argument that cannot travel sends nothing", async () => {
    const { link, heard } = await linked({ dialect: true });
    const wanted = new Set<Key>();
    const bad = call("a", () => 1);
    expect(() => sendAsColumns({ link, token: null }, [call("b"), bad], { wanted, options: {} })).toThrow(/function/);
    link.send({ op: "report-key", key: key("x") });
    expect((await until(heard, 1)).flat().map(({ op }) => op)).toEqual(["report-key"]);
  });
});
