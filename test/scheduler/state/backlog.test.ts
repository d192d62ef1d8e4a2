/** Tasks that wait for the worker where their inputs are, instead of moving these. */
import { expect, test } from "vitest";
import { Driver, finished, task } from "./drive.ts";

const MIB = 2 ** 20;
const NAMES = Array.from({ length: 8 }, (_, i) => `t${i}`);

/** An input at w, which is then busy; more tasks need it than w takes; v is idle. */
function busy(nbytes: number, taskMs: number, bandwidth = 1e8): Driver {
  const driver = new Driver({ bandwidth });
  driver.worker("w");
  driver.submit([task("x")], ["x"]);
  const { worker, message } = driver.order("x");
  const startstops = [{ action: "compute" as const, start: 1, stop: 1 + taskMs / 1000 }];
  driver.say(worker, { ...finished(message, nbytes), startstops });
  driver.submit(
    NAMES.map((name, rank) => task(name, ["x"], { rank })),
    NAMES,
  );
  return driver;
}

/** Where each of the tasks was sent. */
function places(driver: Driver): Record<string, string> {
  return Object.fromEntries(driver.orders.map(({ worker, message }) => [String(message.key), worker]));
}

test("S-C10 S-I17: what would take longer to move than to wait waits, and is sent as places get free", () => {
  const driver = busy(100 * MIB, 20);
  driver.worker("v");
  // A thread and one ahead; a second to move 100 MiB, 20 ms for each that is before.
  expect(places(driver)).toEqual({ x: "w", t0: "w", t1: "w" });
  expect(NAMES.map((name) => driver.state(name))).toEqual(["processing", "processing", ...Array(6).fill("queued")]);
  for (const name of NAMES) driver.finish(name);
  expect(new Set(Object.values(places(driver)))).toEqual(new Set(["w"]));
});

test("S-C10: what is moved faster than its turn would come goes to whoever is free", () => {
  const driver = busy(1 * MIB, 200);
  driver.worker("v");
  expect(places(driver)).toMatchObject({ t0: "w", t1: "w", t2: "v" });
});

test("S-C10: how long a move takes is a matter of the bandwidth that is assumed", () => {
  // 1 MiB takes a second at 1 MB/s, and 100 MiB a tenth of a second at 1 GB/s.
  for (const [nbytes, bandwidth, place] of [
    [1 * MIB, 1e6, undefined],
    [100 * MIB, 1e9, "v"],
  ] as const) {
    const driver = busy(nbytes, 200, bandwidth);
    driver.worker("v");
    expect(places(driver)["t2"]).toBe(place);
  }
});

test("S-C10: an idle worker takes over the last that wait, once the wait is longer than the move", () => {
  // 3 MiB move in 31 ms; a task takes 20 ms, so that the third in line had better go elsewhere.
  const driver = busy(3 * MIB, 20);
  driver.worker("v");
  const at = places(driver);
  expect(at).toMatchObject({ t0: "w", t1: "w" });
  expect(Object.values(at).filter((worker) => worker === "v").length).toBeGreaterThan(0);
});

test("S-C10: having a little of what a task needs is no reason to take it from where most of it is", () => {
  const driver = new Driver();
  driver.worker("w");
  driver.submit([task("large")], ["large"]);
  const { worker, message } = driver.order("large");
  const startstops = [{ action: "compute" as const, start: 1, stop: 1.02 }];
  driver.say(worker, { ...finished(message, 100 * MIB), startstops });
  driver.submit(
    NAMES.slice(0, 2).map((name, rank) => task(name, ["large"], { rank })),
    NAMES.slice(0, 2),
  );
  driver.worker("v");
  driver.submit([task("small")], ["small"]);
  expect(places(driver)).toMatchObject({ t0: "w", t1: "w", small: "v" });
  driver.submit([task("both", ["large", "small"])], ["both"]);
  driver.finish("small", 1000);
  // v is idle and holds a thousand bytes, w is full and holds the rest; its wait is shorter than the move.
  expect(driver.state("both")).toBe("queued");
  driver.finish("t0");
  driver.finish("t1");
  expect(places(driver)).toMatchObject({ both: "w" });
});

test("S-I17: a worker that pauses, or goes, gives back what waits for it; released tasks wait no more", () => {
  for (const end of ["paused", "gone", "released"] as const) {
    const driver = busy(100 * MIB, 20);
    driver.worker("v");
    if (end === "paused") driver.say("w", { op: "worker-status-change", status: "paused", stimulusId: "s" });
    else if (end === "gone") driver.leave("w");
    else driver.release(...NAMES);
    if (end === "released") expect(NAMES.map((name) => driver.state(name))).toEqual(Array(8).fill("forgotten"));
    else expect(driver.orders.some(({ worker }) => worker === "v")).toBe(true);
    driver.release("x", ...NAMES);
    expect(driver.views.isEmpty()).toBe(true);
  }
});
