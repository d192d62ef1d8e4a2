/** Steps that touch stores: reads into blocks, writes of blocks. Local files synchronously, everything else by promises. */
import { assertNever, invariant } from "../base/index.ts";
import type { Plain, Register, Step } from "../graph/index.ts";
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
 * Fill `out` with what a read step names; a promise where the store or a rare codec cannot answer at once.
 * `fetched` holds the compressed bytes of a read that was prefetched.
 */
export function readStep(
  step: ReadStep,
  out: NDArray,
  { context, traffic }: StepIo,
  fetched: Fetched | null,
): Promise<void> | undefined {
  const trimmed = trimWalk(step.region, step.walk, step.shape);
  if (out.size === 0) return undefined;
  // A stepped walk reads what lies between as well; that block is the decoder's scratch, not a register.
  const into = trimmed.isDirect
    ? regionView(out, trimmed)
    : NDArray.zeros(
        out.dtype,
        trimmed.region.map((i) => i.stop - i.start),
      );
  const finish = (): void => {
    if (!trimmed.isDirect) copyStrided(out, walkView(into, trimmed.walk, step.shape));
  };
  const source = sourceOf(step);
  if (fetched !== null) {
    decodeRegion(fetched.plan, fetched.slots, into, context);
    finish();
    return undefined;
  }
  if (planRead(source, trimmed.region).local) {
    traffic.bytesRead += readRegionSync(source, trimmed.region, into, context).bytes;
    finish();
    return undefined;
  }
  return readRegion(source, trimmed.region, into, context).then((stats) => {
    traffic.bytesRead += stats.bytes;
    finish();
  });
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
