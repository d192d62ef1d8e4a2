/** Plugins of a worker that comes back to its scheduler. */
import { expect, test } from "vitest";
import { silentLogger } from "../../src/base/index.ts";
import { createExecutor } from "../../src/executor/index.ts";
import { encodeTaskSpec } from "../../src/graph/index.ts";
import { writeNativePlugin } from "../../src/protocol/index.ts";
import { WorkerPlugins } from "../../src/worker/plugins.ts";
import { callOf } from "../executor/specs.ts";

test("a plugin is set up once, however often its worker joins; another one of its name takes its place", async () => {
  await using executor = createExecutor({ threads: 1, budgetBytes: 2 ** 24 });
  const run: string[] = [];
  const watched = {
    ...executor,
    run: (task: Parameters<typeof executor.run>[0]) => {
      run.push(Buffer.from(task.spec as Uint8Array).toString("latin1"));
      return executor.run(task);
    },
  };
  const facts = { address: "tcp://127.0.0.1:1", name: "w", nthreads: 1, localDirectory: "/" };
  const trust = { token: null, allowInsecure: true };
  const plugins = new WorkerPlugins({ executor: watched as never, trust, logger: silentLogger, facts });
  const spec = (text: string): Uint8Array => encodeTaskSpec(callOf(`(facts) => "${text}"`, 1));
  const first = writeNativePlugin({ setup: spec("first up"), teardown: spec("first down") });
  const second = writeNativePlugin({ setup: spec("second up"), teardown: null });
  await plugins.addAll(new Map([["p", first]]));
  await plugins.addAll(new Map([["p", first]]));
  await plugins.addAll(new Map([["p", second]]));
  const words = run.map((text) => /(first|second) (up|down)/.exec(text)?.[0]);
  expect(words).toEqual(["first up", "first down", "second up"]);
});
