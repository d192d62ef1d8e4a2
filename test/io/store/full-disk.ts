/**
 * Run by `full-disk.test.ts` inside a mount namespace: node full-disk.ts SMALL READONLY, where SMALL is a file system of
 * 2 MiB and READONLY one that cannot be written. Prints what each attempt threw and what it left.
 */
import { readdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { isRsdatError } from "../../../src/base/index.ts";
import {
  abortCog,
  assembleCogSync,
  checkCogTarget,
  openStore,
  plainByteKernels,
  planCog,
  writePartSync,
} from "../../../src/io/index.ts";
import { NDArray } from "../../../src/ndarray/index.ts";

const [small = "", readonly = ""] = process.argv.slice(2);
const context = { kernels: plainByteKernels };

function outcome(folder: string, body: () => void): object {
  try {
    body();
    return { threw: null, left: readdirSync(folder) };
  } catch (e) {
    const threw = isRsdatError(e) ? { name: e.name, code: e.code, message: e.message } : { name: String(e) };
    return { threw, left: readdirSync(folder) };
  }
}

/** Write a COG of incompressible pixels; gives up cleanly. */
function cog(folder: string, side: number): void {
  const plan = planCog({
    url: join(folder, "a.tif"),
    dtype: "uint8",
    shape: [side, side],
    overviews: false,
    compress: "none",
    key: "0123456789",
  });
  try {
    const block = NDArray.zeros("uint8", [side, side]);
    for (let i = 0; i < block.size; i++) block.data[i] = (i * 2654435761) >>> 24;
    const { tileSizes } = writePartSync(plan, 0, 0, block, context);
    assembleCogSync(plan, [{ level: 0, firstTile: 0, tileSizes }]);
  } catch (e) {
    abortCog(plan);
    throw e;
  }
}

const store = (folder: string, nbytes: number) => (): void => {
  const files = openStore(folder);
  if (!("writeSync" in files)) throw new Error("file stores are synchronous");
  (files as import("../../../src/io/index.ts").SyncStore).writeSync("deep/a.bin", [new Uint8Array(nbytes)]);
};

const results = {
  fits: outcome(small, store(small, 1000)),
  objectTooLarge: outcome(small, () => {
    rmSync(join(small, "deep"), { recursive: true });
    store(small, 3 * 2 ** 20)();
  }),
  oldObjectSurvives: outcome(small, () => {
    writeFileSync(join(small, "deep", "a.bin"), "old");
    try {
      store(small, 3 * 2 ** 20)();
    } finally {
      writeFileSync(join(small, `was-${readdirSync(join(small, "deep")).join()}`), "");
      rmSync(join(small, "deep"), { recursive: true });
    }
  }),
  cogPartTooLarge: outcome(small, () => {
    for (const name of readdirSync(small)) rmSync(join(small, name), { recursive: true });
    cog(small, 2048);
  }),
  cogTooLarge: outcome(small, () => cog(small, 1024)),
  cogFits: outcome(small, () => cog(small, 512)),
  readonlyObject: outcome(readonly, store(readonly, 10)),
  readonlyCog: outcome(readonly, () => cog(readonly, 512)),
  readonlyCheck: outcome(readonly, () =>
    checkCogTarget(planCog({ url: join(readonly, "b", "a.tif"), dtype: "uint8", shape: [9, 9], key: "0123456789" })),
  ),
};
process.stdout.write(JSON.stringify(results));
