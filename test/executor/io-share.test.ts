/** What threads have read, in shared memory: nothing is lost when a thread is replaced, and hosts are bounded. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { afterAll, expect, test } from "vitest";
import { boundHosts, createIoShare, HOSTS_MAX, ioFigures, ioTeller } from "../../src/executor/io-share.ts";
import { isSyncStore, openStore } from "../../src/io/index.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-io-share-"));
afterAll(() => rmSync(folder, { recursive: true }));

test("a thread that takes another's place goes on from its sums", () => {
  writeFileSync(join(folder, "a"), new Uint8Array(1000));
  const store = openStore(pathToFileURL(`${folder}/`).href);
  if (!isSyncStore(store)) throw new Error("files are read synchronously");
  const share = createIoShare(2);
  const file = () => ioFigures(share).reads.find((each) => each.host === "file");
  const start = { requests: file()?.requests ?? 0, bytes: file()?.bytes ?? 0 };
  // Here one thread plays owner and compute thread: what it reads counts as the owner's too.
  const read = (nbytes: number): void => void store.readIntoSync("a", 0, new Uint8Array(nbytes));
  const first = ioTeller(share, 1);
  read(100);
  first();
  first(); // nothing since
  const second = ioTeller(share, 1);
  read(30);
  second();
  expect(file()).toEqual({ host: "file", requests: start.requests + 2 * 2, bytes: start.bytes + 2 * 130 });
});

test("hosts beyond the bound are summed as other", () => {
  const reads = Array.from({ length: HOSTS_MAX + 3 }, (_, k) => ({ host: `h${k}`, requests: 1, bytes: k }));
  const bound = boundHosts([...reads, { host: "h0", requests: 4, bytes: 6 }]);
  expect(bound).toHaveLength(HOSTS_MAX + 1);
  expect(bound[0]).toEqual({ host: "h0", requests: 5, bytes: 6 });
  expect(bound.at(-1)).toEqual({ host: "other", requests: 3, bytes: 3 * HOSTS_MAX + 3 });
});
