/** Steps that touch stores: reads into blocks, writes of blocks. Local files synchronously, everything else by promises. */
import { assertNever, invariant } from "../base/index.ts";
import { type Plain, type Register, type Step, sharesRegion } from "../graph/index.ts";
import {
  assembleCogSync,
  type CogPlan,
  decodeRegion,
  planRead,
  type ReadContext,
  type ReadPlan,
  readRegion,
  readRegionSync,
  type SourceSpec,
  sharesTiles,
  writePartSync,
  writeZarrObjectSync,
  type ZarrTarget,
} from "../io/index.ts";
import { copyStrided } from "../kernels/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { regionView, trimWalk, walkView } from "./walk.ts";

/** Bytes that a task fetches from stores and writes to targets (parts of a COG count once it is assembled). */
export interface Traffic {
  bytesRead: number;
  bytesWritten: number;
}

/** What steps that touch stores work with. */
export interface StepIo {
  readonly context: ReadContext;
  readonly traffic: Traffic;
}

/** Compressed bytes of a remote read, fetched before the task runs. */
export interface Fetched {
  readonly plan: ReadPlan;
  readonly slots: Uint8Array;
}

export type ReadStep = Extract<Step, { readonly do: "read" }>;
export type WriteStep = Extract<Step, { readonly do: "write-zarr" | "write-cog-part" | "write-cog" }>;

/** The part of a source that a read step has to fetch. */
export function planStep(step: ReadStep): ReadPlan {
  return planRead(sourceOf(step), trimWalk(step.region, step.walk, step.shape).region);
}

function sourceOf(step: ReadStep): SourceSpec {
  return step.source as unknown as SourceSpec; // the layer that made the step took it from io
}

/**
 * How many of the read steps that begin at `k` are bands of one file that are decoded together. Their registers can be
 * filled at once: a read takes no register, so what the later ones fill is free already.
 */
export function readsTogether(steps: readonly Step[], k: number): number {
  const first = steps[k];
  if (first?.do !== "read") return 0;
  let n = 1;
  for (let next = steps[k + n]; next?.do === "read" && sharesRegion(first, next); next = steps[k + ++n])
    if (!sharesTiles(sourceOf(first), sourceOf(next))) break;
  return n;
}

/** A read step and the block that it fills. */
export interface Reading {
  readonly step: ReadStep;
  readonly out: NDArray;
}

/**
 * Fill `out` with what a read step names; a promise where the store or a rare codec cannot answer at once.
 * `fetched` holds the compressed bytes of a read that was prefetched, `others` are steps that are read along
 * ({@link readsTogether}).
 */
export function readStep(
  { step, out }: Reading,
  { context, traffic }: StepIo,
  fetched: Fetched | null,
  others: readonly Reading[] = [],
): Promise<void> | undefined {
  if (out.size === 0) return undefined;
  const { trimmed, into, finish } = roomOf({ step, out });
  const source = sourceOf(step);
  if (fetched !== null) {
    decodeRegion(fetched.plan, fetched.slots, into, context);
    finish();
    return undefined;
  }
  if (planRead(source, trimmed.region).local) {
    const rooms = others.map(roomOf);
    const bands = others.map((other, i) => ({ source: sourceOf(other.step), into: (rooms[i] as Room).into })); // one each
    traffic.bytesRead += readRegionSync(source, trimmed.region, into, context, bands).bytes;
    for (const room of [{ finish }, ...rooms]) room.finish();
    return undefined;
  }
  return readRegion(source, trimmed.region, into, context).then((stats) => {
    traffic.bytesRead += stats.bytes;
    finish();
  });
}

interface Room {
  readonly trimmed: ReturnType<typeof trimWalk>;
  /** Where pixels are decoded to. */
  readonly into: NDArray;
  /** Bring them from there to the step's block. */
  readonly finish: () => void;
}

function roomOf({ step, out }: Reading): Room {
  const trimmed = trimWalk(step.region, step.walk, step.shape);
  if (trimmed.isDirect) return { trimmed, into: regionView(out, trimmed), finish: () => undefined };
  // A stepped walk reads what lies between as well; that block is the decoder's scratch, not a register.
  const extents = trimmed.region.map((i) => i.stop - i.start);
  const into = NDArray.zeros(out.dtype, extents);
  return { trimmed, into, finish: () => void copyStrided(out, walkView(into, trimmed.walk, step.shape)) };
}

/** Write what the step names and put its byte counts into `out`, a float64 block in C order. */
export function writeStep(
  step: WriteStep,
  block: (register: Register) => NDArray,
  out: NDArray,
  { context, traffic }: StepIo,
): void {
  switch (step.do) {
    case "write-zarr": {
      const write = { chunkIndex: step.chunk, block: block(step.from) };
      const { bytes } = writeZarrObjectSync(targetOf<ZarrTarget>(step.target), step.array, write, context);
      traffic.bytesWritten += bytes;
      put(out, [bytes]);
      break;
    }
    case "write-cog-part": {
      const plan = targetOf<CogPlan>(step.plan);
      put(out, writePartSync(plan, step.level, step.firstTile, block(step.from), context).tileSizes);
      break;
    }
    case "write-cog": {
      const parts = step.parts.map(({ from, level, firstTile }) => {
        const tileSizes = Array.from(block(from).data as Float64Array); // parts give float64
        return { level, firstTile, tileSizes };
      });
      const { bytes } = assembleCogSync(targetOf<CogPlan>(step.plan), parts);
      traffic.bytesWritten += bytes;
      put(out, [bytes]);
      break;
    }
    default:
      assertNever(step);
  }
}

function targetOf<T>(plain: Plain): T {
  return plain as unknown as T; // the layer that made the step took it from io
}

function put(out: NDArray, numbers: ArrayLike<number>): void {
  invariant(numbers.length === out.size, `${numbers.length} numbers for a block of ${out.size}`);
  for (let i = 0; i < numbers.length; i++) out.data[out.offset + i] = numbers[i] as never; // out is float64
}
