/** A worker's profile: when it looks, its cycles, and what it says. Choices by time are those of `make_profile_cases.py`. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import type { RunningTask, StackFrame, StackSamples } from "../../src/executor/index.ts";
import { blockKey, type Key, keyOfValue } from "../../src/graph/index.ts";
import type { ProfileNode } from "../../src/protocol/index.ts";
import { Profile, type ProfileSettings, profileSettings } from "../../src/worker/profile.ts";
import cases from "../protocol/profile-cases.json" with { type: "json" };

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** What the threads run, and what time it is; a profile that looks at it. */
class Around {
  running: RunningTask[] = [];
  inFlight = 0;
  seconds = 1_000;
  stacks: { thread: number; samples: StackSamples }[] = [];
  looks = 0;
  readonly profile: Profile;

  constructor(settings: Partial<ProfileSettings> = {}) {
    const executor = {
      running: () => {
        this.looks++;
        return this.running;
      },
      stats: () => ({ inFlight: this.inFlight }) as never, // all that is read
      takeStacks: () => this.stacks.splice(0),
    };
    this.profile = new Profile(executor, { wall: () => this.seconds * 1_000 }, { ...profileSettings(), ...settings });
  }

  run(key: Key, program = "function f() {}", thread = 0): void {
    this.running = [{ thread, key, program }];
    this.inFlight = 1;
  }

  rest(): void {
    this.running = [];
    this.inFlight = 0;
  }
}

const ALL = { key: null, start: null, stop: null };
const names = ({ children }: ProfileNode): string[] => Array.from(children.values(), (node) => node.description.name);

test("the settings are Dask's by default", () => {
  expect(profileSettings()).toEqual({ isEnabled: true, intervalMs: 10, cycleMs: 1_000, lowLevel: false });
});

test("it looks at every interval while tasks are at the executor, and not at all otherwise", () => {
  const around = new Around({ intervalMs: 20 });
  vi.advanceTimersByTime(1_000);
  expect([around.looks, vi.getTimerCount()]).toEqual([0, 0]);
  around.run(keyOfValue("inc-1"));
  around.profile.wake();
  around.profile.wake();
  vi.advanceTimersByTime(100);
  expect([around.looks, around.profile.tree(ALL).count, vi.getTimerCount()]).toEqual([5, 5, 1]);
  // One that waits for its inputs to be read is still there.
  around.running = [];
  vi.advanceTimersByTime(100);
  expect([around.looks, vi.getTimerCount()]).toEqual([10, 1]);
  around.rest();
  vi.advanceTimersByTime(100);
  expect([around.looks, vi.getTimerCount()]).toEqual([11, 0]);
  around.run(keyOfValue("inc-2"));
  around.profile.wake();
  vi.advanceTimersByTime(20);
  expect(around.profile.tree(ALL).count).toBe(6);
  around.profile[Symbol.dispose]();
  expect(vi.getTimerCount()).toBe(0);
});

test("enabled: false: no timer", () => {
  const around = new Around({ isEnabled: false });
  around.run(keyOfValue("inc-1"));
  around.profile.wake();
  expect(vi.getTimerCount()).toBe(0);
});

/** Cycle k, of one second, has 2**k looks at prefix `a` or `b`; the last one is not over. */
function filled(): Around {
  const around = new Around();
  for (let k = 0; k < 6; k++) {
    around.seconds = 1_000 + k;
    around.run(keyOfValue(`${"ab"[k % 2]}-${k}`));
    for (let n = 0; n < 2 ** k; n++) around.profile.look();
  }
  around.seconds = 1_005.5;
  return around;
}

test.each(cases.windows)("from $start to $stop: $count", ({ start, stop, count }) => {
  expect(filled().profile.tree({ key: null, start, stop }).count).toBe(count);
});

test.each(cases.metadata)("when it counted, from $start to $stop", ({ start, stop, found }) => {
  const { counts, keys } = filled().profile.counts({ start, stop });
  expect({ counts, keys: keys.map(([at, each]) => [at, Object.fromEntries(each)]) }).toEqual(found);
});

test("one prefix; the thread that directs", () => {
  const { profile } = filled();
  const ofA = profile.tree({ ...ALL, key: "a" });
  expect([ofA.count, names(ofA), names(profile.tree(ALL))]).toEqual([1 + 4 + 16, ["a"], ["a", "b"]]);
  expect(profile.tree({ ...ALL, key: "c" })).toMatchObject({ count: 0, children: new Map() });
  expect(profile.tree({ ...ALL, server: true })).toMatchObject({ count: 0 });
});

test("time without tasks is in no cycle: what ran after it does not count as before it", () => {
  const around = new Around();
  around.run(keyOfValue("early-1"));
  around.profile.look();
  around.seconds = 5_000;
  around.run(keyOfValue("late-1"));
  around.profile.look();
  expect(names(around.profile.tree({ ...ALL, stop: 1_500 }))).toEqual(["early"]);
  expect(names(around.profile.tree({ ...ALL, start: 1_500 }))).toEqual(["late"]);
});

test("the last 1000 cycles are kept", () => {
  const around = new Around();
  around.run(keyOfValue("inc-1"));
  for (let k = 0; k < 1_500; k++) {
    around.seconds = 1_000 + k;
    around.profile.look();
  }
  expect(around.profile.tree(ALL).count).toBe(1_001);
});

test("all cycles together have 50 000 nodes at most, the newest ones", () => {
  const around = new Around();
  for (let cycle = 0; cycle < 20; cycle++) {
    around.seconds = 1_000 + 2 * cycle;
    for (let k = 0; k < 3_000; k++) {
      around.run(blockKey(`layer ${cycle} ${k}`, [0]));
      around.profile.look();
    }
  }
  // 6001 nodes each: eight that are closed, and the one that is not.
  const { count } = around.profile.tree(ALL);
  expect(count).toBe(9 * 3_000);
  expect(around.profile.tree({ ...ALL, stop: 1_000 + 2 * 10 }).count).toBe(0);
});

test("a cycle has 10 000 nodes at most; what is beyond counts above", () => {
  const around = new Around();
  for (let k = 0; k < 12_000; k++) {
    around.run(blockKey(`layer ${k}`, [0]));
    around.profile.look();
  }
  const tree = around.profile.tree(ALL);
  expect(tree.count).toBe(12_000);
  expect(tree.children.size).toBe(5_000); // each with its function
});

test("functions are called by their names, wherever these stand in their texts", () => {
  const around = new Around();
  const nameOf = (text: string): unknown => {
    around.run(keyOfValue(text), text);
    around.profile.look();
    const tree = around.profile.tree({ ...ALL, key: null });
    return names(Array.from(tree.children.values()).at(-1) as ProfileNode)[0];
  };
  expect(nameOf("function one(a) { return a; }")).toBe("one");
  expect(nameOf("async function* two() {}")).toBe("two");
  expect(nameOf("(a) => a")).toBe("(anonymous)");
  expect(nameOf('(() => { "use strict";\nconst three = 3;\nreturn three;\n})()')).toBe("three");
});

const frame = (name: string, line = 1, url = ""): StackFrame => ({ name, url, line });

test("low-level: a stack goes below the look at its time, if it is of the same function, one to each look", () => {
  const around = new Around({ lowLevel: true });
  const at: number[] = [];
  const look = (key: string, text: string): void => {
    vi.advanceTimersByTime(100);
    around.run(keyOfValue(key), text);
    around.profile.look();
    at.push(Number(process.hrtime.bigint() / 1_000n));
  };
  look("f-1", "function f() {}");
  look("g-1", "function g() {}");
  const [ofF = 0, ofG = 0] = at;
  const stack = (time: number, ...frames: StackFrame[]) => ({ time, frames });
  const samples = [
    stack(ofF - 9_000, frame("f"), frame("too early")),
    stack(ofF, frame("other"), frame("of another function")),
    stack(ofF + 1_000, frame("f"), frame("deep", 7), frame("push", 0)),
    stack(ofF + 2_000, frame("f"), frame("the look has one already")),
    stack(ofG, frame("read", 3, "file:///x/read.js")),
    stack(ofG + 3_000, frame("g")),
  ];
  around.stacks = [
    { thread: 1, samples: { stacks: [[frame("f"), frame("another thread")]], microseconds: [ofF] } },
    {
      thread: 0,
      samples: { stacks: samples.map(({ frames }) => frames), microseconds: samples.map(({ time }) => time) },
    },
  ];
  const lines = (node: ProfileNode, depth = 0): string[] => [
    `${" ".repeat(depth)}${node.description.name} ${node.description.filename}:${node.description.lineNumber} ${node.count}`,
    ...Array.from(node.children.values()).flatMap((child) => lines(child, depth + 1)),
  ];
  expect(lines(around.profile.tree(ALL))).toEqual([
    " :0 2",
    " f <task>:0 1",
    "  f <function>:1 1",
    "   deep <function>:7 1",
    "    push <built-in>:0 1",
    " g <task>:0 1",
    "  g <function>:1 1",
  ]);
});
