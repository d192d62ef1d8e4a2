/**
 * The one entry to all benches: `npm run bench -- NAME [--quick] [--json FILE]`.
 * Exits with 1 when a bench fails or its outputs differ; a missed target is printed and is no failure.
 */
import { existsSync, globSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import type { Bench, BenchRow } from "./contract.ts";

const USAGE = "usage: npm run bench -- NAME [--quick] [--json FILE]";

function names(): string[] {
  return globSync("*/index.ts", { cwd: import.meta.dirname })
    .map(dirname)
    .sort();
}

function number(value: number | null): string {
  return value === null ? "–" : Number(value.toPrecision(3)).toString();
}

function table(rows: readonly BenchRow[]): string {
  const head = ["id", "metric", "ours", "peer", "peer is", "ratio", "target", "spread"];
  const cells = rows.map(({ id, metric, ours, peer, peerName, ratio, target, spread }) => [
    id,
    metric,
    number(ours),
    number(peer),
    peerName ?? "–",
    number(ratio),
    target === null ? "–" : `${number(target)}${ratio === null || ratio <= target ? "" : " missed"}`,
    `${Math.round(spread * 100)} %`,
  ]);
  const widths = head.map((title, index) => Math.max(title.length, ...cells.map((cell) => cell[index]?.length ?? 0)));
  return [head, ...cells]
    .map((cell) =>
      cell
        .map((text, index) => text.padEnd(widths[index] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

const { values, positionals } = parseArgs({
  options: { quick: { type: "boolean", default: false }, json: { type: "string" } },
  allowPositionals: true,
});
const [name] = positionals;
if (name === undefined || positionals.length > 1 || !existsSync(join(import.meta.dirname, name, "index.ts"))) {
  console.error(`${USAGE}\nbenches: ${names().join(" ") || "none"}`);
  process.exit(2);
}
const { bench }: { bench: Bench } = await import(`./${name}/index.ts`);
const rows = await bench({ quick: values.quick, say: (line) => console.log(line) });
console.log(`\n${table(rows)}`);
if (values.json) writeFileSync(values.json, `${JSON.stringify({ name, rows }, null, 2)}\n`);
