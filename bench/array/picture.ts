/** The sweep as a picture: one bar per function and dtype, ours over NumPy's time on a logarithmic axis. */
import type { BenchRow } from "../contract.ts";

const [BAR, LEFT, WIDTH, TOP] = [9, 150, 560, 40];
const [LEAST, MOST] = [0.01, 4];

function across(ratio: number): number {
  const share = Math.log(Math.min(MOST, Math.max(LEAST, ratio)) / LEAST) / Math.log(MOST / LEAST);
  return LEFT + share * (WIDTH - LEFT - 10);
}

const COLOURS: Readonly<Record<string, string>> = { float32: "#3b6ea8", uint16: "#c2762f" };

/** SVG of the rows, fastest first. */
export function picture(rows: readonly BenchRow[]): string {
  const sorted = rows.toSorted((a, b) => (a.ratio ?? 1) - (b.ratio ?? 1));
  const height = TOP + sorted.length * BAR + 10;
  const bars = sorted.map(({ id, ratio }, i) => {
    const [name = "", dtype = ""] = id.split(" ");
    const [y, x] = [TOP + i * BAR, across(ratio ?? 1)];
    return (
      `<text x="${LEFT - 4}" y="${y + 7}" text-anchor="end">${name} ${dtype}</text>` +
      `<rect x="${LEFT}" y="${y + 1}" width="${(x - LEFT).toFixed(1)}" height="${BAR - 2}" fill="${COLOURS[dtype] ?? "#777"}"/>`
    );
  });
  const ticks = [0.01, 0.1, 0.6, 1, 1.5, 4].map((t) => {
    const x = across(t).toFixed(1);
    return `<line x1="${x}" x2="${x}" y1="${TOP - 6}" y2="${height - 8}" stroke="#ccc"/><text x="${x}" y="${TOP - 10}" text-anchor="middle">${t}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" font-family="sans-serif" font-size="7" role="img" aria-label="Our time / NumPy's by function">`,
    "<title>Our time / NumPy's, by function</title>",
    `<rect width="${WIDTH}" height="${height}" fill="white"/>`,
    `<text x="6" y="14" font-size="10">Our time / NumPy's, one thread, 16 MB: every function, fastest first</text>`,
    ...ticks,
    ...bars,
    "</svg>",
    "",
  ].join("\n");
}
