/**
 * The jobs of a SlurmCluster: which there are, what became of each, what to do next. Pure: what Slurm and the scheduler
 * say goes in, verdicts and a plan come out; times are the caller's monotonic milliseconds.
 */
import { phaseOf, type QueueLine } from "./slurm-text.ts";

/** A job in the table. `joined`: the scheduler knows a worker of it. `draining`: it is to end by our own wish. */
export type JobPhase = "submitted" | "pending" | "running" | "joined" | "draining";

/** One job that has not ended. */
export interface TrackedJob {
  /** i in the workers' names `NAME-i`. */
  readonly index: number;
  /** `12`, or `12_3` in a job array. */
  readonly id: string;
  /** Names its workers will have. */
  readonly workers: readonly string[];
  readonly phase: JobPhase;
  /** Slurm's state and reason, as last heard. */
  readonly state: string;
  readonly reason: string;
  /** When Slurm thinks that it starts, or when it did. */
  readonly start: string | null;
  readonly nodes: string;
}

interface Job extends TrackedJob {
  phase: JobPhase;
  state: string;
  reason: string;
  start: string | null;
  nodes: string;
  readonly submittedMs: number;
  runningMs: number | null;
  joinedMs: number | null;
  isSteady: boolean;
  /** Since when none of its workers is there, after one was. */
  lostMs: number | null;
  isHopeless: boolean;
}

/** What became of a job, and what follows from it. */
export interface Verdict {
  readonly job: TrackedJob;
  /**
   * `released`: we ended it. `cancelled`: somebody else did, and it is not replaced. `left`: it ended after its workers
   * had worked, and is replaced. `start-failure`: no worker came of it, or none that lasted.
   */
  readonly kind: "released" | "cancelled" | "left" | "start-failure";
  /** The job is still there and must be cancelled. */
  readonly mustCancel: boolean;
}

/** What to do so that as many jobs are there as are wanted. */
export interface JobPlan {
  readonly submit: number;
  /** Jobs without a worker at the scheduler. */
  readonly cancel: readonly TrackedJob[];
  /** Jobs whose workers hand over their data first. */
  readonly retire: readonly TrackedJob[];
}

/** Bounds. */
export interface TrackerLimits {
  readonly deathTimeoutMs: number;
  readonly maxStartFailures: number;
  readonly pollIntervalMs: number;
}

/** A new worker that lives so long is no failed start. */
const STEADY_MS = 10_000;
/** A job that runs on without its worker is given up after this. */
const LOST_MS = 15_000;
/** Time that Slurm may need to list a job that it has just accepted. */
const LISTING_MS = 5_000;
/** Time that a job may need, at the least, to start its worker, before that begins to look for the scheduler. */
const STARTING_MS = 30_000;
const FIRST_POLL_MS = 500;
/** More jobs than this: Slurm is asked three times as rarely. */
const MANY = 100;

/** States that are nobody's fault. */
const BLAMELESS: ReadonlySet<string> = new Set(["PREEMPTED", "NODE_FAIL", "REVOKED"]);
const HOPELESS =
  /^(PartitionTimeLimit|PartitionNodeLimit|PartitionInactive|PartitionDown|ReqNodeNotAvail|BadConstraints|DependencyNeverSatisfied|JobHeld\w*|AccountNotAllowed|QOSNotAllowed|InvalidAccount|InvalidQOS|Assoc\w*Limit|QOS\w*Limit)/;

/** The table. */
export class JobTracker {
  readonly #limits: TrackerLimits;
  readonly #jobs = new Map<string, Job>();
  #target = 0;
  #failures = 0;
  #present: ReadonlySet<string> = new Set();
  #pollDelayMs = FIRST_POLL_MS;
  #pollAtMs = 0;

  constructor(limits: TrackerLimits) {
    this.#limits = limits;
  }

  /** Jobs that have not ended, in the order of submission. */
  get jobs(): readonly TrackedJob[] {
    return Array.from(this.#jobs.values());
  }

  /** Jobs that are wanted. */
  get target(): number {
    return this.#target;
  }

  /** So many starts have failed in a row that no more jobs are submitted. */
  get isBroken(): boolean {
    return this.#failures >= this.#limits.maxStartFailures;
  }

  /** Jobs that have, or may still get, a worker. */
  get alive(): readonly TrackedJob[] {
    return this.jobs.filter(({ phase }) => phase !== "draining");
  }

  /** Names of workers that the scheduler knows. */
  get present(): ReadonlySet<string> {
    return this.#present;
  }

  /** Want so many jobs. A new wish is a new attempt: earlier failures are forgotten. */
  scale(target: number): void {
    this.#target = target;
    this.#failures = 0;
  }

  /** What is missing or too much; `bytesOf` says how much data a job's workers hold. Waiting jobs go first, then those that hold least. */
  plan(bytesOf: (job: TrackedJob) => number = () => 0): JobPlan {
    const alive = this.alive;
    const missing = this.#target - alive.length;
    if (missing >= 0) return { submit: this.isBroken ? 0 : missing, cancel: [], retire: [] };
    const order = { submitted: 0, pending: 0, running: 1, joined: 2, draining: 3 };
    const byWorth = alive.toSorted(
      (a, b) => order[a.phase] - order[b.phase] || bytesOf(a) - bytesOf(b) || b.index - a.index,
    );
    const chosen = byWorth.slice(0, -missing);
    return {
      submit: 0,
      cancel: chosen.filter(({ phase }) => phase !== "joined"),
      retire: chosen.filter(({ phase }) => phase === "joined"),
    };
  }

  /** `sbatch` has accepted a job. */
  submitted(job: Pick<TrackedJob, "id" | "index" | "workers">, now: number): void {
    this.#jobs.set(job.id, {
      ...job,
      phase: "submitted",
      state: "PENDING",
      reason: "",
      start: null,
      nodes: "",
      submittedMs: now,
      runningMs: null,
      joinedMs: null,
      isSteady: false,
      lostMs: null,
      isHopeless: false,
    });
    this.#pollSoon(now);
  }

  /** `sbatch` has refused a replacement: a failed start. */
  refused(): void {
    this.#failures++;
  }

  /** A job is being ended, by our own wish. */
  drain(id: string, now: number): void {
    const job = this.#jobs.get(id);
    if (job) job.phase = "draining";
    this.#pollSoon(now);
  }

  /** The scheduler's workers, by name. */
  hearWorkers(names: ReadonlySet<string>, now: number): Verdict[] {
    this.#present = names;
    const verdicts: Verdict[] = [];
    for (const job of this.#jobs.values()) {
      if (job.phase === "draining") continue;
      if (job.workers.some((name) => names.has(name))) {
        job.phase = "joined";
        job.joinedMs ??= now;
        job.lostMs = null;
        if (!job.isSteady && now - job.joinedMs >= STEADY_MS) {
          job.isSteady = true;
          this.#failures = 0;
        }
      } else if (job.joinedMs !== null) {
        if (job.lostMs === null) this.#pollSoon(now);
        job.lostMs ??= now;
        job.phase = "running";
      }
      // A worker that finds no scheduler says so itself and ends; here are those that never come so far.
      const { deathTimeoutMs } = this.#limits;
      const patienceMs = deathTimeoutMs + Math.max(STARTING_MS, deathTimeoutMs / 2);
      const isLate = job.joinedMs === null && job.runningMs !== null && now - job.runningMs > patienceMs;
      const isLost = job.lostMs !== null && now - job.lostMs > LOST_MS;
      if (isLate || isLost) verdicts.push(this.#giveUp(job, now));
    }
    return verdicts;
  }

  /** Whether Slurm should be asked now, and after how long at the latest; null: no need, all have joined and their nodes are known. */
  pollDelayMs(now: number): number | null {
    const isWaiting = Array.from(this.#jobs.values()).some(({ phase, nodes }) => phase !== "joined" || nodes === "");
    return isWaiting ? Math.max(0, this.#pollAtMs - now) : null;
  }

  /** What Slurm lists: a job that it does not list is gone. */
  hearQueue(lines: readonly QueueLine[], now: number): Verdict[] {
    const slowest = this.#limits.pollIntervalMs * (this.#jobs.size > MANY ? 3 : 1);
    this.#pollDelayMs = Math.min(this.#pollDelayMs * 1.5, slowest);
    this.#pollAtMs = now + this.#pollDelayMs;
    const byId = new Map(lines.map((line) => [line.id, line]));
    const verdicts: Verdict[] = [];
    for (const job of Array.from(this.#jobs.values())) {
      const line = byId.get(job.id);
      if (!line && now - job.submittedMs < LISTING_MS) continue;
      if (line) Object.assign(job, { state: line.state, reason: line.reason, start: line.start, nodes: line.nodes });
      const phase = line ? phaseOf(line.state) : "over";
      if (phase === "over") {
        if (!line) Object.assign(job, { state: "GONE", reason: "" });
        this.#jobs.delete(job.id);
        verdicts.push(this.#judge(job, now));
      } else if (job.phase === "submitted" || job.phase === "pending" || job.phase === "running") {
        job.phase = phase === "waiting" ? "pending" : "running";
        if (phase === "running") job.runningMs ??= now;
      }
    }
    return verdicts;
  }

  /** Jobs that wait for a reason that will not pass by itself; each is told once. */
  newlyHopeless(): TrackedJob[] {
    const found = Array.from(this.#jobs.values()).filter(
      (job) => job.phase === "pending" && !job.isHopeless && HOPELESS.test(job.reason),
    );
    for (const job of found) job.isHopeless = true;
    return found;
  }

  #judge(job: Job, now: number): Verdict {
    const verdict = (kind: Verdict["kind"]): Verdict => ({ job, kind, mustCancel: false });
    if (job.phase === "draining") return verdict("released");
    this.#pollSoon(now);
    if (job.state === "CANCELLED") {
      this.#target = Math.max(0, this.#target - 1);
      return verdict("cancelled");
    }
    if (BLAMELESS.has(job.state)) return verdict("left");
    const isInGoodOrder = job.state === "COMPLETED" || job.state === "TIMEOUT";
    if (job.joinedMs !== null && (isInGoodOrder || now - job.joinedMs >= STEADY_MS)) return verdict("left");
    this.#failures++;
    return verdict("start-failure");
  }

  #giveUp(job: Job, now: number): Verdict {
    const kind = job.joinedMs === null ? "start-failure" : "left";
    if (kind === "start-failure") this.#failures++;
    job.phase = "draining";
    this.#pollSoon(now);
    return { job, kind, mustCancel: true };
  }

  #pollSoon(now: number): void {
    this.#pollDelayMs = FIRST_POLL_MS;
    this.#pollAtMs = Math.min(this.#pollAtMs <= now ? Number.POSITIVE_INFINITY : this.#pollAtMs, now + FIRST_POLL_MS);
  }
}
