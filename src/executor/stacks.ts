/** Stacks of JavaScript of a compute thread, by V8's sampling profiler: only where `distributed.worker.profile.low-level` asks. */
import { type Profiler, Session } from "node:inspector";

/** How stacks are sampled. */
export interface StackOptions {
  readonly intervalMs: number;
  /** Time after which a thread hands over what it has, when it comes to its next task. */
  readonly cycleMs: number;
}

/** One function of a stack. */
export interface StackFrame {
  readonly name: string;
  /** Its file; empty: it came as a text. */
  readonly url: string;
  /** Line of its beginning, from 1. */
  readonly line: number;
}

/** Samples of one thread: at `microseconds[k]` of the machine's monotonic clock the stack `stacks[k]`, outermost first. */
export interface StackSamples {
  readonly stacks: readonly (readonly StackFrame[])[];
  readonly microseconds: readonly number[];
}

/** Frames of a stack that are kept, the outermost ones; Dask cuts there as well. */
const DEPTH_MAX = 90;
/** Lines that `new Function` puts before a text. */
const LINES_BEFORE = 2;

type Node = Profiler.ProfileNode;

/** V8's profiler of the thread that this is made in. Its calls end before they return, as its session is of the same thread. */
export class StackSampler {
  readonly #options: StackOptions;
  readonly #session = new Session();
  readonly #tell: (samples: StackSamples) => void;
  /** When it was started; null: it is not. */
  #since: number | null = null;

  constructor(options: StackOptions, tell: (samples: StackSamples) => void) {
    this.#options = options;
    this.#tell = tell;
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.setSamplingInterval", { interval: Math.round(options.intervalMs * 1_000) });
  }

  /** A task is about to run. */
  begin(): void {
    const now = performance.now();
    if (this.#since !== null && now - this.#since >= this.#options.cycleMs) this.rest();
    if (this.#since !== null) return;
    this.#session.post("Profiler.start");
    this.#since = now;
  }

  /** Hand over; nothing is sampled until the next task. */
  rest(): void {
    if (this.#since === null) return;
    this.#since = null;
    this.#session.post("Profiler.stop", (error, found) => {
      if (!error) this.#tell(samplesOf(found.profile));
    });
  }
}

/** What users' functions and kernels did, without what runs them. */
export function samplesOf({ nodes, samples = [], timeDeltas = [], startTime }: Profiler.Profile): StackSamples {
  const stackOf = stacksOf(nodes);
  const stacks: (readonly StackFrame[])[] = [];
  const microseconds: number[] = [];
  let at = startTime;
  samples.forEach((id, k) => {
    at += timeDeltas[k] ?? 0;
    const stack = stackOf(id);
    if (stack.length === 0) return;
    stacks.push(stack);
    microseconds.push(at);
  });
  return { stacks, microseconds };
}

function stacksOf(nodes: readonly Node[]): (id: number) => readonly StackFrame[] {
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const parents = new Map(nodes.flatMap(({ id, children = [] }) => children.map((child) => [child, id] as const)));
  const known = new Map<number, readonly StackFrame[]>();
  return (id) => {
    let stack = known.get(id);
    if (stack === undefined) {
      const frames: Node["callFrame"][] = [];
      for (let at: number | undefined = id; at !== undefined; at = parents.get(at)) {
        const node = byId.get(at);
        if (node) frames.unshift(node.callFrame);
      }
      stack = ownFrames(frames);
      known.set(id, stack);
    }
    return stack;
  };
}

/** Frames below the loop that runs tasks; none where it waits. A function that waited itself goes on without that loop above it. */
function ownFrames(frames: readonly Node["callFrame"][]): readonly StackFrame[] {
  const isOfLoop = ({ url }: Node["callFrame"]): boolean => /\/executor\/thread\.[jt]s$/.test(url);
  const last = frames.findLastIndex((frame) =>
    isOfLoop(frame)
      ? /^(serve|run)[A-Z]/.test(frame.functionName)
      : frame.functionName === "callText" && /\/executor\/steps-call\.[jt]s$/.test(frame.url),
  );
  if (last < 0 && frames.some(isOfLoop)) return [];
  return frames
    .slice(last + 1)
    .filter(({ functionName }) => !/^\((root|program|idle)\)$/.test(functionName))
    .slice(0, DEPTH_MAX)
    .map(({ functionName, url, lineNumber }) => ({
      name: functionName,
      url,
      line: Math.max(0, url === "" ? lineNumber + 1 - LINES_BEFORE : lineNumber + 1),
    }));
}
