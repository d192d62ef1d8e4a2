/** Plugins of schedulers and nannies as bytes: what is written is run only where somebody vouches for it. */
import { describe, expect, test } from "vitest";
import { callSpec, encodeTaskSpec, signTaskSpec, type TaskSpec } from "../../src/graph/index.ts";
import {
  makeHookPlugin,
  type NannyPlugin,
  type SchedulerPlugin,
  writeHookPlugin,
  writeNativePlugin,
} from "../../src/protocol/index.ts";
import { pack } from "../../src/protocol/msgpack.ts";
import { pluginBytes } from "../../src/protocol/native-plugin.ts";

const sealed = { token: "secret", allowInsecure: false };
const log: unknown[] = [];
const counter: SchedulerPlugin<{ count: number }> = {
  kind: "scheduler",
  name: "counter",
  args: { count: 0 },
  transition(_key, start) {
    if (start === "waiting") this.args.count++;
    return this.args.count;
  },
  removeWorker: (_scheduler, worker, { stimulusId }) => [worker, stimulusId],
};

describe("a plugin with hooks", () => {
  test("comes back as an object: methods with `this`, arrows, and its data", () => {
    const made = makeHookPlugin(writeHookPlugin(counter, "secret"), "scheduler", sealed);
    expect(made).toMatchObject({ kind: "scheduler", name: "counter", args: { count: 0 } });
    const move = (start: string): unknown => made.transition?.("k" as never, start, "memory", {} as never);
    expect([move("waiting"), move("released"), move("waiting")]).toEqual([1, 1, 2]);
    expect(made.removeWorker?.({} as never, "w", { stimulusId: "s" })).toEqual(["w", "s"]);
    expect(counter.args).toEqual({ count: 0 });
  });

  test("of a nanny has its restart; asynchronous functions stay so", async () => {
    const plugin: NannyPlugin<number> = {
      kind: "nanny",
      name: "n",
      restart: true,
      args: 3,
      setup: () => undefined,
      async teardown(_nanny, args) {
        return args + 1;
      },
    };
    const made = makeHookPlugin(writeHookPlugin(plugin, null), "nanny", { token: null, allowInsecure: true });
    expect(made).toMatchObject({ restart: true, args: 3 });
    expect(await made.teardown?.({} as never, 3)).toBe(4);
  });

  test("is refused where nobody, or somebody else, vouches for it", () => {
    const none = writeHookPlugin(counter, null);
    const others = writeHookPlugin(counter, "other");
    for (const [bytes, token] of [
      [none, "secret"],
      [others, "secret"],
      [others, null],
    ] as const)
      expect(() => makeHookPlugin(bytes, "scheduler", { token, allowInsecure: false })).toThrow(
        expect.objectContaining({ code: "untrusted" }),
      );
    // One of nannies is none of a scheduler, whoever vouches for it; nor is one of workers.
    const nanny: NannyPlugin = { kind: "nanny", name: "n", setup: () => undefined };
    const worker = writeNativePlugin({ setup: new Uint8Array(1), teardown: null });
    for (const bytes of [writeHookPlugin(nanny, "secret"), worker, new Uint8Array(3)])
      expect(() => makeHookPlugin(bytes, "scheduler", sealed)).toThrow(
        expect.objectContaining({ code: "remote-protocol" }),
      );
  });

  test("whose text or data was changed on the way, or whose mac leaves out its data, is not run", () => {
    const asPlugin = (spec: TaskSpec): Uint8Array => pluginBytes(pack({ make: encodeTaskSpec(spec) }));
    const fields = { kind: "scheduler", name: "p", args: null };
    const { spec } = callSpec("(plugin) => ({ ...plugin })", [fields], () => null);
    const good = signTaskSpec(spec, "secret");
    expect(makeHookPlugin(asPlugin(good), "scheduler", sealed)).toEqual(fields);
    const changed = (change: object): TaskSpec =>
      ({ ...good, steps: good.steps.map((step) => ({ ...step, ...change })) }) as TaskSpec; // one step, of a call
    (globalThis as { log?: unknown }).log = log;
    for (const change of [
      { text: "(plugin) => { log.push(1); return plugin; }" },
      { args: [{ ...fields, name: "q" }] },
      { block: true },
    ])
      expect(() => makeHookPlugin(asPlugin(changed(change)), "scheduler", sealed)).toThrow();
    expect(log).toEqual([]);
  });

  test("has hooks that are known, made of themselves alone, and plain data", () => {
    const write = (plugin: object): unknown =>
      writeHookPlugin({ kind: "scheduler", name: "p", ...plugin } as never, null);
    expect(() => write({ add_worker: () => 1 })).toThrow(
      "a scheduler has no hook add_worker; it is called addWorker here",
    );
    expect(() => write({ onTransition: () => 1 })).toThrow(/no hook onTransition; there are start, beforeClose/);
    expect(() => write({})).toThrow("plugin p has no hooks");
    expect(() => write({ close: () => log.push(1) })).toThrow(
      expect.objectContaining({ code: "closure", message: expect.stringContaining("log") }),
    );
    expect(() => write({ close: () => 1, args: { f: () => 1 } })).toThrow(expect.objectContaining({ code: "closure" }));
  });
});
