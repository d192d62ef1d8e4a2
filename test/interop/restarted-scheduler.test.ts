/** A real Python Client over the death of our scheduler: what its user sees, where a journal brings the scheduler back. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { describePeer, PYTHON } from "../peers.ts";
import { type Running, start, startDaskWorker, startRsdat } from "../processes.ts";

const SCRIPT = join("test", "interop", "restarted_scheduler.py");

describePeer("a Python Client whose scheduler is killed and started again", ["dask", "distributed", "numpy"], () => {
  let folder: string;

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "rsdat-restarted-"));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  // Save for `told` and the lines with `lost-data` the script prints the same where both schedulers are Dask's own.
  test("S-J5 S-C30: what it held is lost and says so, what it asks for then is computed, the same keys too", async () => {
    const port = await freePort();
    const address = `tcp://127.0.0.1:${port}`;
    const scheduler = (): Running =>
      startRsdat(["scheduler", "--host", "127.0.0.1", "--port", String(port), "--journal", join(folder, "journal")]);
    await using first = scheduler();
    await using client = start(PYTHON, [SCRIPT, address]);
    await using _doomed = await startDaskWorker(address);
    await client.waitFor(/^ready finished pending$/m);
    first.process.kill("SIGKILL");
    await first.exit;
    await using _second = scheduler();
    await using _worker = await startDaskWorker(address);
    const [printed] = await client.waitFor(/^\{.*\}$/m);
    expect(await client.exit).toBe(0);
    const broken = "Client lost the connection to the scheduler. Please check your connection and re-run your work.";
    const lost = (key: string) => [
      "FutureCancelledError",
      expect.stringMatching(/ cancelled for reason: lost dependencies\.$/),
      expect.stringMatching(
        new RegExp(`^lost-data: ${key} is not known to this scheduler .any more.; compute or persist it again$`),
      ),
    ];
    expect(JSON.parse(printed)).toEqual({
      waiting: ["FutureCancelledError", "pending cancelled for reason: scheduler-connection-lost.", broken],
      finished: ["FutureCancelledError", "done cancelled for reason: scheduler-connection-lost.", broken],
      gathered: "FutureCancelledError",
      new: 7,
      early: 43,
      told: ["done", "pending", "x", "x"],
      array: lost("\\('NAME', \\d\\)"),
      further: lost("\\('.*', \\d\\)"),
      future: lost("pending"),
      same_name: true,
      again: (39 * 40) / 2,
    });
  });
});

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  await new Promise<void>((resolve) => void server.close(() => resolve()));
  if (address === null || typeof address === "string") throw new Error("a listening server has a port");
  return address.port;
}
