/** Which layers name blocks that a runner holds, and for how long it does. */
import { isRsdatError } from "../base/index.ts";
import { type Hold, type LayerNode, layerInputs } from "../graph/index.ts";

const HOLDS = new WeakMap<LayerNode, Hold>();

/** A hold and how many of its layers are still in use. */
interface Shared {
  readonly hold: Hold;
  nodes: number;
}

const FORGOTTEN = new FinalizationRegistry<Shared>((shared) => {
  if (--shared.nodes === 0) shared.hold.release();
});

/** The hold lasts while one of these layers is in use. */
export function keepFor(nodes: readonly LayerNode[], hold: Hold): void {
  const shared = { hold, nodes: nodes.length };
  for (const node of nodes) {
    HOLDS.set(node, hold);
    FORGOTTEN.register(node, shared);
  }
}

/** Holds on which these layers depend. */
export function holdsUnder(nodes: readonly LayerNode[]): Set<Hold> {
  const found = new Set<Hold>();
  const seen = new Set<LayerNode>();
  const stack = [...nodes];
  for (let node = stack.pop(); node !== undefined; node = stack.pop()) {
    if (seen.has(node)) continue;
    seen.add(node);
    const hold = HOLDS.get(node);
    if (hold) found.add(hold);
    stack.push(...layerInputs(node.layer));
  }
  return found;
}

/** Where held blocks are missing, why: the failure of the run that should have made them, or else `error` itself. */
export async function causeOfLoss(error: unknown, nodes: readonly LayerNode[]): Promise<unknown> {
  if (!isRsdatError(error, "lost-data")) return error;
  const ends = await Promise.allSettled([...holdsUnder(nodes)].map((hold) => hold.wait()));
  return ends.find((end) => end.status === "rejected")?.reason ?? error;
}
