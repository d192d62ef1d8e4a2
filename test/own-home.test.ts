/** Tests do not see what the user has configured, neither here nor in processes that they start. */
import { existsSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { searchedPaths } from "../src/config/index.ts";
import { describePeer, runPython } from "./peers.ts";

test("the home of tests is theirs, and has no configuration", () => {
  expect(process.env["HOME"]).toMatch(/rsdat-home-/);
  expect(homedir()).not.toBe(userInfo().homedir);
  for (const path of searchedPaths().slice(0, 1)) expect(existsSync(path)).toBe(false);
  expect(searchedPaths()).toContain(join(homedir(), ".config", "dask"));
  expect(existsSync(join(homedir(), ".config"))).toBe(false);
  expect(Object.keys(process.env).filter((name) => name.startsWith("DASK_"))).toEqual(["DASK_ROOT_CONFIG"]);
});

describePeer("beside dask.config", ["dask"], () => {
  test("the user's own folder is not among Dask's either", async () => {
    const out = await runPython(["-c", "import dask.config, json; print(json.dumps(dask.config.paths))"]);
    const paths = JSON.parse(out) as string[];
    expect(paths).toContain(join(homedir(), ".config", "dask"));
    expect(paths).not.toContain(join(userInfo().homedir, ".config", "dask"));
  });
});
