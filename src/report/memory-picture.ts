/** Memory of processes over time: a line for each worker. Pure. */
import { escapeXml, formatBytes } from "../base/index.ts";
import type { MemorySample } from "./performance-data.ts";
import { axis, px } from "./stream-picture.ts";

/** Lines in one picture: those of the workers that had most. */
const LINES_MAX = 24;
const [LEFT, WIDTH, HEIGHT] = [90, 1000, 200];

/** The picture; null where there is nothing to draw. */
export function memorySvg(samples: readonly MemorySample[]): string | null {
  const peaks = new Map<string, number>();
  for (const { bytes } of samples)
    for (const [worker, n] of bytes) if (n >= 0) peaks.set(worker, Math.max(peaks.get(worker) ?? 0, n));
  const most = Math.max(0, ...peaks.values());
  const last = samples.at(-1);
  if (most === 0 || last === undefined) return null;
  const step = 2 ** Math.ceil(Math.log2(most / 4));
  const top = step * Math.ceil(most / step);
  const y = (bytes: number): number => px(HEIGHT - (HEIGHT * Math.min(bytes, top)) / top);
  const x = (seconds: number): number => px(LEFT + (WIDTH * seconds) / (last.seconds || 1));
  const rows: string[] = [];
  for (let bytes = step; bytes <= top; bytes += step)
    rows.push(
      `<path d="M${LEFT} ${y(bytes)}H${LEFT + WIDTH}"/><text x="${LEFT - 8}" y="${y(bytes) + 4}" text-anchor="end">${formatBytes(bytes)}</text>`,
    );
  const shown = [...peaks].sort(([, a], [, b]) => b - a).slice(0, LINES_MAX);
  const lines = shown.map(([worker, peak], i) => {
    const points = samples.flatMap(({ seconds, bytes }) => {
      const n = bytes.get(worker);
      return n === undefined || !(n >= 0) ? [] : [`${x(seconds)} ${y(n)}`];
    });
    const colour = `hsl(${(210 + i * 47) % 360} 55% 52%)`;
    return `<path d="M${points.join("L")}" stroke="${colour}"><title>${escapeXml(`${worker}\npeak ${formatBytes(peak)}`)}</title></path>`;
  });
  const more =
    peaks.size > shown.length
      ? `<p class="note">the ${shown.length} of ${peaks.size} workers that had most; of the others none had more</p>`
      : "";
  return `<div class="wide"><svg xmlns="http://www.w3.org/2000/svg" viewBox="0 -8 ${LEFT + WIDTH + 10} ${HEIGHT + 34}" role="img">
<title>Memory of processes over time</title>
<g class="axis"><path d="M${LEFT} ${HEIGHT}H${LEFT + WIDTH}"/>${rows.join("")}</g>
${axis({ seconds: last.seconds, left: LEFT, width: WIDTH, height: HEIGHT })}
<g class="lines">${lines.join("\n")}</g>
</svg></div>${more}`;
}
