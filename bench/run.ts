/**
 * The one entry to all benches: `npm run bench -- NAME [ROW…] [--quick] [--wide] [--cpu] [--json FILE] [--markdown FILE]`.
 * Exits with 1 when a bench fails or its outputs differ; a missed target is printed and is no failure.
 */
import { existsSync, globSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { parseArgs } from "node:util";
import { config } from "../src/config/index.ts";
import { allowHugePages } from "../src/kernels/index.ts";
import { type Bench, type BenchRow, verdict } from "./contract.ts";

const USAGE = "usage: npm run bench -- NAME [ROW…] [--quick] [--wide] [--cpu] [--json FILE] [--markdown FILE]";

function names(): string[] {
  return globSync("*/index.ts", { cwd: import.meta.dirname })
    .map(dirname)
    .sort();
}

function number(value: number | null | undefined): string {
  return value === null || value === undefined ? "–" : Number(value.toPrecision(3)).toString();
}

/** Titles and cells; columns that no row fills are left out. */
function cells(rows: readonly BenchRow[]): string[][] {
  const head = [
    "id",
    "metric",
    "ours",
    "peer",
    "peer is",
    "ratio",
    "must",
    "aim",
    "verdict",
    "spread",
    "GB/s",
    "of copy",
  ];
  const all = rows.map((r) => [
    r.id,
    r.metric,
    number(r.ours),
    number(r.peer),
    r.peerName ?? "–",
    number(r.ratio),
    number(r.target),
    number(r.aim),
    verdict(r),
    `${Math.round(r.spread * 100)} %`,
    number(r.gigabytesPerSecond),
    r.shareOfCopy === undefined ? "–" : `${Math.round(r.shareOfCopy * 100)} %`,
  ]);
  const used = head.map((_, column) => all.some((line) => line[column] !== "–"));
  return [head, ...all].map((line) => line.filter((_, column) => used[column]));
}

function table(rows: readonly BenchRow[]): string {
  const lines = cells(rows);
  const widths = (lines[0] ?? []).map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0)));
  return lines
    .map((line) =>
      line
        .map((text, column) => text.padEnd(widths[column] ?? 0))
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}

function markdown(rows: readonly BenchRow[]): string {
  const [head = [], ...body] = cells(rows);
  return [head, head.map(() => "---"), ...body].map((line) => `| ${line.join(" | ")} |`).join("\n");
}

const { values, positionals } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    wide: { type: "boolean", default: false },
    cpu: { type: "boolean", default: false },
    json: { type: "string" },
    markdown: { type: "string" },
  },
  allowPositionals: true,
});
const [name, ...wanted] = positionals;
if (name === undefined || !existsSync(join(import.meta.dirname, name, "index.ts"))) {
  console.error(`${USAGE}\nbenches: ${names().join(" ") || "none"}`);
  process.exit(2);
}
// As everywhere: DASK_RSDAT__KERNELS__HUGE_PAGES=false measures without them.
allowHugePages(config.boolean("rsdat.kernels.huge-pages") ?? true, (reason) => console.log(`small pages: ${reason}`));
const { bench }: { bench: Bench } = await import(`./${name}/index.ts`);
const said: string[] = [];
const say = (line: string): void => {
  said.push(line);
  console.log(line);
};
const rows = await bench({ quick: values.quick, rows: wanted, wide: values.wide, cpu: values.cpu, say });
console.log(`\n${table(rows)}`);
if (values.json) writeFileSync(values.json, `${JSON.stringify({ name, said, rows }, null, 2)}\n`);
if (values.markdown) {
  const command = ["npm run bench --", ...process.argv.slice(2)].join(" ");
  const head = `# Bench ${name}\n\nWritten by \`${command}\`; do not edit. Smaller is better; ratios are ours / peer's.`;
  writeFileSync(values.markdown, `${head}\n\n${said.join("  \n")}\n\n${markdown(rows)}\n`);
}
