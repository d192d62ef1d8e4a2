/** Pictures of one lazy array: its text form, and an SVG of its shape, cut into its blocks. */
import { escapeXml, formatBytes } from "../base/index.ts";
import { itemsize } from "../dtype/index.ts";
import { type Chunks, type LayerNode, shapeOfChunks, topological } from "../graph/index.ts";
import { sizeOf } from "../ndarray/index.ts";

/** What a picture shows: a layer, and the array's extents, null where a selection decides them. */
export interface Pictured {
  readonly node: LayerNode;
  readonly shape: readonly (number | null)[];
}

/** Longest and shortest side of the picture, and the depth of a third axis, in pixels. */
const LONG = 240;
const SHORT = 36;
const DEPTH = 60;
/** More lines than this along an axis are thinned. */
const LINES_MAX = 40;

/** The words that describe an array, in its text and beside its picture. */
function words({
  node,
  shape,
}: Pictured): Record<"label" | "shape" | "chunk" | "bytes" | "chunkBytes" | "blocks" | "layers", string> {
  const { dtype, name, chunks } = node.layer;
  const chunk = chunks.map((c) => c.reduce((a, b) => Math.max(a, b), 0));
  const known = shape.map((n) => n ?? "?");
  return {
    label: name.replace(/-[0-9a-f]{32}$/, ""),
    shape: known.join(", "),
    chunk: chunk.map((n, k) => (shape[k] === null ? "?" : n)).join(", "),
    bytes: known.includes("?") ? "unknown size" : formatBytes(sizeOf(shapeOfChunks(chunks)) * itemsize(dtype)),
    chunkBytes: `${known.includes("?") ? "at most " : ""}${formatBytes(sizeOf(chunk) * itemsize(dtype))}`,
    blocks: counted(sizeOf(chunks.map((c) => c.length)), "block"),
    layers: counted(topological([node]).length, "layer"),
  };
}

/** One line: `ChunkedArray<sub, shape=(4, 4), dtype=float64, chunks=(2, 4), 2 blocks, 128 B, 3 layers>`. */
export function arrayText(array: Pictured): string {
  const { label, shape, chunk, blocks, bytes, layers } = words(array);
  return `ChunkedArray<${label}, shape=(${shape}), dtype=${array.node.layer.dtype}, chunks=(${chunk}), ${blocks}, ${bytes}, ${layers}>`;
}

/** A number with its noun. */
function counted(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? "" : "s"}`;
}

/**
 * The array as an SVG document: the last three axes as a box cut at the blocks' edges, lengths in proportion (by their
 * square roots, as nobody sees a line of pixels), and a table of bytes, shape, blocks and layers.
 */
export function arraySvg(array: Pictured): string {
  const facts = words(array);
  const { dtype, chunks } = array.node.layer;
  const box = boxOf(chunks);
  const rows: readonly (readonly [string, string, string])[] = [
    ["", "array", "block"],
    ["bytes", facts.bytes, facts.chunkBytes],
    ["shape", `(${facts.shape})`, `(${facts.chunk})`],
    ["count", facts.layers, facts.blocks],
    ["type", dtype, facts.label],
  ];
  const left = box.width + 40;
  const height = Math.max(box.height, rows.length * 22) + 30;
  const width = left + 420;
  const table = rows.flatMap(([name, whole, block], r) => {
    const y = 26 + r * 22;
    const weight = r === 0 ? ' font-weight="600"' : "";
    return [
      `<text x="${left}" y="${y}" font-weight="600">${escapeXml(name)}</text>`,
      `<text x="${left + 70}" y="${y}"${weight}>${escapeXml(whole)}</text>`,
      `<text x="${left + 240}" y="${y}"${weight}>${escapeXml(block)}</text>`,
    ];
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img">`,
    `<title>${escapeXml(arrayText(array))}</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<g transform="translate(15 15)" stroke="#1b4f72" stroke-width="1" fill="none">${box.shapes.join("")}</g>`,
    `<g fill="#222">${table.join("")}</g>`,
    "</svg>",
    "",
  ].join("\n");
}

interface Box {
  readonly width: number;
  readonly height: number;
  readonly shapes: readonly string[];
}

function boxOf(chunks: Chunks): Box {
  const axes: (readonly number[])[] = chunks.slice(-3).map((c) => c);
  while (axes.length < 2) axes.unshift([1]);
  const [depthAxis, rowAxis, columnAxis] = axes.length === 3 ? axes : [null, ...axes];
  const longest = Math.max(1, ...shapeOfChunks(axes));
  const side = (axis: readonly number[]): number =>
    Math.max(SHORT, LONG * Math.sqrt(Math.max(1, shapeOfChunks([axis])[0] as number) / longest)); // one axis
  const [h, w] = [side(rowAxis as readonly number[]), side(columnAxis as readonly number[])]; // axes are two or three
  const d = depthAxis ? DEPTH : 0;
  const ys = cuts(rowAxis as readonly number[], h);
  const xs = cuts(columnAxis as readonly number[], w);
  const shapes = [`<path d="M${n(d)} ${n(d)}h${n(w)}v${n(h)}h${n(-w)}z" fill="#aed6f1"/>`];
  for (const y of ys) shapes.push(`<path d="M${n(d)} ${n(d + y)}h${n(w)}" stroke-opacity="0.5"/>`);
  for (const x of xs) shapes.push(`<path d="M${n(d + x)} ${n(d)}v${n(h)}" stroke-opacity="0.5"/>`);
  if (depthAxis) {
    shapes.push(
      `<path d="M${n(d)} ${n(d)}l${n(-d)} ${n(-d)}h${n(w)}l${n(d)} ${n(d)}z" fill="#d6eaf8"/>`,
      `<path d="M${n(d)} ${n(d)}l${n(-d)} ${n(-d)}v${n(h)}l${n(d)} ${n(d)}z" fill="#85c1e9"/>`,
    );
    for (const z of cuts(depthAxis, d))
      shapes.push(
        `<path d="M${n(z)} ${n(z)}h${n(w)}M${n(z)} ${n(z)}v${n(h)}" stroke-opacity="0.5"/>`, // both visible faces
      );
    for (const x of xs) shapes.push(`<path d="M${n(d + x)} ${n(d)}l${n(-d)} ${n(-d)}" stroke-opacity="0.5"/>`);
    for (const y of ys) shapes.push(`<path d="M${n(d)} ${n(d + y)}l${n(-d)} ${n(-d)}" stroke-opacity="0.5"/>`);
  }
  return { width: Math.ceil(w + d), height: Math.ceil(h + d), shapes };
}

/** Where blocks end along an axis of `length` pixels, thinned where there are very many. */
function cuts(sizes: readonly number[], length: number): number[] {
  const total = sizes.reduce((a, b) => a + b, 0);
  if (total === 0) return [];
  const every = Math.ceil(sizes.length / LINES_MAX);
  const out: number[] = [];
  let at = 0;
  sizes.slice(0, -1).forEach((size, i) => {
    at += size;
    if ((i + 1) % every === 0) out.push((at / total) * length);
  });
  return out;
}

/** A coordinate with at most two decimals. */
function n(value: number): string {
  return String(Math.round(value * 100) / 100);
}
