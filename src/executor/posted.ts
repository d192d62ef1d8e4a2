/** What a thread has posted of a task's end, because the ring has no place for it, as the task's outcome. */
import { errorFromRecord, MemoryBudgetError } from "../base/index.ts";
import type { Key } from "../graph/index.ts";
import { copyStrided } from "../kernels/index.ts";
import { NDArray } from "../ndarray/index.ts";
import type { Arena } from "./arena.ts";
import { valueOutcome } from "./job.ts";
import type { SlotFigures } from "./ring.ts";
import { taskErrorRecord } from "./steps.ts";
import type { TaskPost } from "./thread.ts";
import type { TaskOutcome } from "./types.ts";

/** An error, a value, or an array, which becomes a block if there is room for it. */
export function postedOutcome(post: TaskPost, figures: SlotFigures, keyOf: () => Key, arena: Arena): TaskOutcome {
  if (post.type === "error")
    return { status: "error", error: taskErrorRecord(errorFromRecord(post.error), keyOf()), ...figures };
  if (post.type === "value") return valueOutcome(post.value, figures);
  const array = new NDArray(post.array.dtype, post.array.data, post.array.shape);
  const block = arena.canHold(array.nbytes) ? arena.allocate(array.dtype, array.shape) : null;
  if (block === null) {
    const error = new MemoryBudgetError(
      `the function gave an array of ${array.nbytes} bytes, for which this worker has no room`,
    );
    return { status: "error", error: taskErrorRecord(error, keyOf()), ...figures };
  }
  copyStrided(arena.view(block), array);
  return { status: "ok", output: block, ...figures };
}
