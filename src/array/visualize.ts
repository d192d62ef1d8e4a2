/** The layer graph as a picture: SVG drawn here, or Graphviz's dot text; no other program is needed. */
import { ArgumentError, escapeXml, formatBytes, requireKnownOptions } from "../base/index.ts";
import { itemsize } from "../dtype/index.ts";
import { buildGraph, gridOf, type LayerNode, layerInputs, shapeOfChunks, topological } from "../graph/index.ts";
import { locate } from "../io/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import type { Computable } from "./compute.ts";

/** Options of {@link layerPicture}. */
export interface VisualizeOptions {
  /** Draw the graph as it would run: fused, with work that runs inside its consumers left out of the count. Default false, as Dask. */
  readonly optimizeGraph?: boolean;
  /** `svg` (default) or `dot`. */
  readonly format?: "svg" | "dot";
  /** Also write it there: a path or URL. Its ending decides the format, where that is not given. */
  readonly filename?: string;
}

/**
 * The layer graph of one or several lazy objects, as the text of an SVG document or a dot file. dask `visualize`.
 * @throws {ArgumentError} another format  @throws {WriteError} the file cannot be written
 */
export async function visualize(
  lazy: Computable<unknown> | readonly Computable<unknown>[],
  options: VisualizeOptions = {},
): Promise<string> {
  requireKnownOptions("visualize", options, { optimizeGraph: true, format: true, filename: true });
  const { filename } = options;
  const format = options.format ?? (filename?.endsWith(".dot") ? "dot" : "svg");
  const outputs = [lazy].flat().flatMap((item) => (item as Computable<unknown>).outputs); // flat loses the readonly list
  const text = layerPicture(outputs, { ...options, format });
  if (filename !== undefined) {
    const { store, key } = locate(filename);
    await store.write(key, [new TextEncoder().encode(text)]);
  }
  return text;
}

/** One box. */
interface Box {
  readonly title: string;
  readonly lines: readonly string[];
  readonly kind: string;
  readonly inputs: readonly number[];
}

const WIDTH = 250;
const HEIGHT = 74;
const GAP_X = 30;
const GAP_Y = 46;
/** By kind: what is read, made, computed, reduced, moved, written. */
const COLOURS: Readonly<Record<string, string>> = {
  source: "#f9e79f",
  literal: "#fcf3cf",
  arange: "#fcf3cf",
  blockwise: "#aed6f1",
  reduce: "#a9dfbf",
  combine: "#d4efdf",
  select: "#a9dfbf",
  apply: "#d2b4de",
  call: "#f5b7b1",
};
const OTHER = "#e5e7e9";

/**
 * Text of an SVG document (or dot file) of the layers under `outputs`: one box per layer with its tasks, dtype, shape
 * and blocks, sources on top, results at the bottom.
 * @throws {ArgumentError} another format
 */
function layerPicture(outputs: readonly LayerNode[], options: VisualizeOptions = {}): string {
  const { format = "svg", optimizeGraph = false } = options;
  const boxes = optimizeGraph ? runningBoxes(outputs) : builtBoxes(outputs);
  if (format === "svg") return svg(boxes);
  if (format === "dot") return dot(boxes);
  throw new ArgumentError(`format ${JSON.stringify(format)}: expected "svg" or "dot"`);
}

function builtBoxes(outputs: readonly LayerNode[]): Box[] {
  const nodes = topological(outputs);
  const index = new Map(nodes.map((node, i) => [node, i]));
  return nodes.map(({ layer }) => ({
    ...described(layer, `${sizeOf(gridOf(layer.chunks))} tasks`),
    inputs: layerInputs(layer).map((i) => index.get(i) as number), // inputs come first
  }));
}

function runningBoxes(outputs: readonly LayerNode[]): Box[] {
  const graph = buildGraph(outputs);
  return graph.layers.map((layer, i) => {
    const { fused = [] } = graph.fusion.get(layer.name) ?? {};
    const tasks = layer.inline ? "inside its consumers" : `${graph.count(i)} tasks`;
    const more = fused.length > 0 ? ` · fuses ${fused.map(labelOf).join(", ")}` : "";
    return { ...described(layer, tasks + more), inputs: layerInputs(layer) };
  });
}

function described(
  layer: LayerNode["layer"] | ReturnType<typeof buildGraph>["layers"][number],
  work: string,
): Omit<Box, "inputs"> {
  const shape = shapeOfChunks(layer.chunks);
  const chunk = layer.chunks.map((c) => c.reduce((a, b) => Math.max(a, b), 0));
  return {
    title: labelOf(layer.name),
    kind: layer.kind,
    lines: [
      `${layer.kind} · ${work}`,
      `${layer.dtype} (${shape.join(", ")}) · ${formatBytes(sizeOf(shape) * itemsize(layer.dtype))}`,
      `blocks of (${chunk.join(", ")})`,
    ],
  };
}

function labelOf(name: string): string {
  return name.replace(/-[0-9a-f]{32}$/, "");
}

function svg(boxes: readonly Box[]): string {
  const row: number[] = [];
  for (const box of boxes) row.push(box.inputs.reduce((most, i) => Math.max(most, (row[i] as number) + 1), 0)); // inputs come first
  const inRow: number[] = [];
  const place = boxes.map((_, i) => {
    const r = row[i] as number; // one per box
    const column = inRow[r] ?? 0;
    inRow[r] = column + 1;
    return { x: 15 + column * (WIDTH + GAP_X), y: 15 + r * (HEIGHT + GAP_Y) };
  });
  const width = 30 + Math.max(1, ...inRow) * (WIDTH + GAP_X);
  const height = 30 + inRow.length * (HEIGHT + GAP_Y) - GAP_Y;
  const at = (i: number): { x: number; y: number } => place[i] as { x: number; y: number }; // one per box
  const edges = boxes.flatMap((box, to) =>
    box.inputs.map((from) => {
      if ((row[to] as number) - (row[from] as number) > 1) {
        // Past the boxes between them, on their right.
        const [x1, y1] = [at(from).x + WIDTH, at(from).y + HEIGHT / 2];
        const [x2, y2] = [at(to).x + WIDTH, at(to).y + HEIGHT / 2];
        const side = Math.max(x1, x2) + GAP_X;
        return `<path d="M${x1} ${y1}C${side} ${y1} ${side} ${y1} ${side} ${y1 + GAP_Y}V${y2 - GAP_Y}C${side} ${y2} ${side} ${y2} ${x2} ${y2}"/>`;
      }
      const [x1, y1] = [at(from).x + WIDTH / 2, at(from).y + HEIGHT];
      const [x2, y2] = [at(to).x + WIDTH / 2, at(to).y];
      return `<path d="M${x1} ${y1}C${x1} ${y1 + GAP_Y / 2} ${x2} ${y2 - GAP_Y / 2} ${x2} ${y2}"/>`;
    }),
  );
  const drawn = boxes.map((box, i) => {
    const { x, y } = at(i);
    const text = [`<text x="${x + 10}" y="${y + 20}" font-weight="600">${escapeXml(clip(box.title))}</text>`];
    for (const [k, line] of box.lines.entries())
      text.push(`<text x="${x + 10}" y="${y + 36 + k * 14}" font-size="11">${escapeXml(clip(line))}</text>`);
    return `<g><title>${escapeXml([box.title, ...box.lines].join("\n"))}</title><rect x="${x}" y="${y}" width="${WIDTH}" height="${HEIGHT}" rx="6" fill="${COLOURS[box.kind] ?? OTHER}" stroke="#555"/>${text.join("")}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="13" role="img">`,
    `<title>${boxes.length} layers</title>`,
    `<rect width="${width}" height="${height}" fill="#fff"/>`,
    `<g fill="none" stroke="#777" stroke-width="1.2">${edges.join("")}</g>`,
    `<g fill="#222">${drawn.join("\n")}</g>`,
    "</svg>",
    "",
  ].join("\n");
}

/** Longest text that fits a box. */
function clip(text: string): string {
  return text.length > 42 ? `${text.slice(0, 41)}…` : text;
}

function dot(boxes: readonly Box[]): string {
  const quoted = (text: string): string => `"${text.replace(/[\\"]/g, "\\$&")}"`;
  const nodes = boxes.map(
    (box, i) =>
      `  ${i} [label=${quoted([box.title, ...box.lines].join("\n")).replaceAll("\n", "\\n")}, fillcolor=${quoted(COLOURS[box.kind] ?? OTHER)}];`,
  );
  const edges = boxes.flatMap((box, to) => box.inputs.map((from) => `  ${from} -> ${to};`));
  return ["digraph layers {", "  node [shape=box, style=filled];", ...nodes, ...edges, "}", ""].join("\n");
}
