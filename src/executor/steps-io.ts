/** Steps that touch stores: reads into blocks, writes of blocks. Local files synchronously, everything else by promises. */
import { assertNever } from "../base/index.ts";
import type { Plain, Register, Step } from "../graph/index.ts";
import type { CogPlan, ReadContext, ReadPlan, SourceSpec, ZarrTarget } from "../io/index.ts";
import * as io from "../io/index.ts";
import { copyStrided } from "../kernels/index.ts";
import { NDArray } from "../ndarray/index.ts";
import { regionView, trimWalk, walkView } from "./walk.ts";

/** Bytes that a task moves from and to stores. */
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
  return io.planRead(sourceOf(step), trimWalk(step.region, step.walk, step.shape).region);
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
    io.decodeRegion(fetched.plan, fetched.slots, into, context);
    finish();
    return undefined;
  }
  if (io.planRead(source, trimmed.region).local) {
    traffic.bytesRead += io.readRegionSync(source, trimmed.region, into, context).bytes;
    finish();
    return undefined;
  }
  return io.readRegion(source, trimmed.region, into, context).then((stats) => {
    traffic.bytesRead += stats.bytes;
    finish();
  });
}

/** Write what the step names and put the byte counts into `out`. */
export function writeStep(
  step: WriteStep,
  block: (register: Register) => NDArray,
  out: NDArray,
  { context, traffic }: StepIo,
): void {
  report(out, writtenSizes(step, block, context), traffic);
}

function writtenSizes(
  step: WriteStep,
  block: (register: Register) => NDArray,
  context: ReadContext,
): ArrayLike<number> {
  switch (step.do) {
    case "write-zarr": {
      const target = targetOf<ZarrTarget>(step.target);
      return [io.writeZarrObjectSync(target, step.array, step.chunk, block(step.from), context).bytes];
    }
    case "write-cog-part": {
      const plan = targetOf<CogPlan>(step.plan);
      return io.writePartSync(plan, step.level, step.firstTile, block(step.from), context).tileSizes;
    }
    case "write-cog": {
      const parts = step.parts.map(({ from, level, firstTile }) => {
        const tileSizes = Array.from(block(from).data as Float64Array); // parts give float64
        return { level, firstTile, tileSizes };
      });
      return [io.assembleCogSync(targetOf<CogPlan>(step.plan), parts).bytes];
    }
    default:
      return assertNever(step);
  }
}

function targetOf<T>(plain: Plain): T {
  return plain as unknown as T; // the layer that made the step took it from io
}

function report(out: NDArray, sizes: ArrayLike<number>, traffic: Traffic): void {
  for (let i = 0; i < sizes.length; i++) {
    out.data[out.offset + i] = sizes[i] as never; // out is float64
    traffic.bytesWritten += sizes[i] as number;
  }
}
