/** `worker-saturation` and `work-stealing`, as the configuration hands them to the machine. */
import { expect, test } from "vitest";
import { Driver, task } from "./drive.ts";

/** Orders that a worker of two threads has at once, of twenty independent tasks. */
function sent(saturation: number | null): number {
  const driver = new Driver({ saturation });
  driver.worker("w", { nthreads: 2 });
  const names = Array.from({ length: 20 }, (_, i) => `t${i}`);
  driver.submit(
    names.map((name) => task(name)),
    names,
  );
  return driver.orders.length;
}

// Dask: max(ceil(saturation x nthreads), 1) tasks for a worker.
test.each([
  [1, 2],
  [1.1, 3],
  [1.5, 3],
  [2, 4],
  [Number.POSITIVE_INFINITY, 20],
])("with a saturation of %d a worker of two threads has %d tasks", (saturation, tasks) => {
  expect(sent(saturation)).toBe(tasks);
});

test("without stealing, tasks that wait at a busy worker stay there", () => {
  for (const stealing of [true, false]) {
    const driver = new Driver({ saturation: Number.POSITIVE_INFINITY, stealing });
    driver.worker("busy", { nthreads: 1 });
    const names = ["a", "b", "c", "d"];
    driver.submit(
      names.map((name) => task(name)),
      names,
    );
    expect(driver.orders.map(({ worker }) => worker)).toEqual(["busy", "busy", "busy", "busy"]);
    driver.worker("idle", { nthreads: 1 });
    const asked = driver.sent.filter((each) => each.type === "send-worker" && each.message.op === "steal-request");
    expect(asked.length > 0, `stealing ${stealing}`).toBe(stealing);
  }
});
