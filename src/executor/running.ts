/** What the compute threads run at this moment, read from what is there anyway: no task does anything for it. */
import type { Key, TaskSpec } from "../graph/index.ts";
import type { Job } from "./job.ts";
import type { Lane } from "./lane.ts";
import type { Ring } from "./ring.ts";

/** A task that a thread runs. */
export interface RunningTask {
  readonly thread: number;
  readonly key: Key;
  /** Its program, or the text of the function that it calls. */
  readonly program: TaskSpec | string;
}

/** What can be asked. */
export interface Runs {
  readonly ring: Ring;
  readonly threads: number;
  readonly lane: Lane;
  /** By slot. */
  readonly jobs: readonly (Job | null)[];
}

/** The tasks that threads have taken and not ended, at most one each. */
export function runningTasks({ ring, threads, lane, jobs }: Runs): RunningTask[] {
  const running: RunningTask[] = [];
  for (let thread = 0; thread < threads; thread++) {
    const slot = ring.current(thread);
    if (slot < 0) continue;
    const job = jobs[slot];
    const quick = lane.job(slot);
    if (job?.hold) running.push({ thread, key: job.task.key, program: job.hold.spec });
    else if (quick) {
      // Of the lane: both are known since it was started.
      const { programs, task } = quick;
      const program = programs.call(task)?.program.call ?? programs.of(task).spec;
      running.push({ thread, key: programs.graph.key(task), program });
    }
  }
  return running;
}
