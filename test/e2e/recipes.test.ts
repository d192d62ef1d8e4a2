/** The recipes of examples/arrays, run as a reader runs them; their numbers are NumPy's. */
import { existsSync, readdirSync, rmSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { describePeer, ROOT, run, runPython } from "../peers.ts";
import { linkedClone } from "../readme.ts";

const env = { PATH: `${join(ROOT, "node_modules", ".bin")}${delimiter}${process.env["PATH"]}` };

describePeer("recipes", ["numpy", "rasterio"], () => {
  let truth: Record<string, number & number[]>;
  const clone = linkedClone();
  beforeAll(async () => {
    truth = JSON.parse(
      await runPython([join(ROOT, "test", "e2e", "recipes_peer.py"), join(ROOT, "examples", "data", "L7_ETMs.tif")]),
    ) as typeof truth;
    return () => clone[Symbol.dispose]();
  });

  const recipe = (name: string): Promise<string> =>
    run("node", [join("examples", "arrays", name)], { cwd: clone.path, env, timeoutMs: 400_000 });
  /** The number after a word at the start of a line. */
  const said = (text: string, word: string): number =>
    Number(new RegExp(`^${word} ([-\\d.e]+)n?`, "m").exec(text)?.[1]);

  test("every recipe has a test", () => {
    const tested = ["composite.ts", "fused-index.ts", "larger-than-memory.ts", "stretch.ts", "texture.ts"];
    expect(readdirSync(join(ROOT, "examples", "arrays")).sort()).toEqual(tested);
  });

  test("fused-index", async () => {
    const text = await recipe("fused-index.ts");
    expect(text).toMatch(/^ChunkedArray<[\s\S]*\nplan: [\s\S]*fuses /);
    expect(said(text, "corner")).toBeCloseTo(truth["corner"] as number, 6);
    expect(said(text, "mean")).toBeCloseTo(truth["mean"] as number, 6);
    expect(said(text, "green")).toBe(truth["green"]);
    const svg = join(clone.path, "out", "fused-index.svg");
    expect(existsSync(svg)).toBe(true);
    rmSync(svg);
  });

  test("composite", async () => {
    const text = await recipe("composite.ts");
    expect(said(text, "median")).toBeCloseTo(truth["median"] as number, 9);
    expect(said(text, "bright")).toBeCloseTo(truth["bright"] as number, 9);
    expect(said(text, "seen at least")).toBe(truth["seen"]);
  });

  test("texture", async () => {
    const text = await recipe("texture.ts");
    expect(said(text, "texture")).toBeCloseTo(truth["texture"] as number, 8);
    expect(text).toContain("same bits whatever the chunks: true");
  });

  test("stretch", async () => {
    const text = await recipe("stretch.ts");
    expect(text).toContain(`stretch from ${truth["low"]} to ${truth["high"]}\n`);
    expect(text).toContain(`histogram ${(truth["histogram"] as number[]).join(",")}\n`);
    expect(said(text, "mean byte")).toBeCloseTo(truth["byte"] as number, 9);
  });

  test("larger-than-memory", async () => {
    const text = await recipe("larger-than-memory.ts");
    expect(text).toMatch(/^1\.50 GiB in \d+ tasks, [\d.]+ MiB at the least\n/);
    expect(said(text, "spread")).toBeCloseTo(truth["spread"] as number, 4);
    expect(text).toMatch(/the plan needs at least .* rechunk\(/);
  });
});
