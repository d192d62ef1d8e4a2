/** The job script of a SlurmCluster's workers. Pure. */
import type { ResolvedSlurmOptions } from "./slurm-options.ts";
import { memoryDirective } from "./slurm-text.ts";

/** What a job script needs beyond the options: facts of the running cluster. */
export interface ScriptFacts {
  readonly schedulerAddress: string;
  /** Absolute; all nodes see it. */
  readonly tokenFile: string;
  /** Absolute; all nodes see it. */
  readonly logDirectory: string;
  /** Absolute path of Node, where the options name no command. */
  readonly node: string;
  /** Absolute path of the command line's entry. */
  readonly entry: string;
  /** Number of the first job. */
  readonly first: number;
  /** Jobs that this one submission makes; more than 1 is a job array. */
  readonly count: number;
}

/** A share of the job's memory stays for the runtime and for what is not counted: as for every process of rsdat. */
const MEMORY_SHARE = 0.8;

/** Text for `sbatch`: `count` jobs whose workers are named `NAME-FIRST`, `NAME-(FIRST + 1)`, …; with several in a job, `…-0`, `…-1`. */
export function buildJobScript(options: ResolvedSlurmOptions, facts: ScriptFacts): string {
  return [
    options.shebang,
    "",
    ...directives(options, facts),
    ...options.jobScriptPrologue,
    ...(options.processes === 1 && options.jobScriptEpilogue.length === 0
      ? [`exec ${workerCommand(options, facts, "")}`]
      : supervised(options, facts)),
    "",
  ].join("\n");
}

/** Name of the file that job `id` (`12` or `12_3`) writes to, in the log directory. */
export function logName(options: ResolvedSlurmOptions, id: string): string {
  return `${options.jobName}-${id}.out`;
}

/** Names of a job's workers. */
export function workerNames(options: Pick<ResolvedSlurmOptions, "name" | "processes">, job: number): string[] {
  const name = `${options.name}-${job}`;
  return options.processes === 1 ? [name] : Array.from({ length: options.processes }, (_, i) => `${name}-${i}`);
}

function directives(options: ResolvedSlurmOptions, { logDirectory, count }: ScriptFacts): string[] {
  const generated = [
    `-J ${options.jobName}`,
    `-o "${logDirectory.replaceAll("%", "%%")}/${logName(options, count > 1 ? "%A_%a" : "%j")}"`,
    ...(options.partition === null ? [] : [`-p ${options.partition}`]),
    ...(options.account === null ? [] : [`-A ${options.account}`]),
    "-n 1",
    "-N 1",
    `--cpus-per-task=${options.jobCpu}`,
    `--mem=${options.jobMem ?? memoryDirective(options.memoryBytes)}`,
    `-t ${options.walltime}`,
    ...(count > 1 ? [`--array=0-${count - 1}`] : []),
    // B: the batch shell itself, which `exec` turns into the worker. USR1 would start Node's inspector.
    `--signal=B:USR2@${options.signalBeforeSeconds}`,
    // A job that Slurm starts again would bring back an old name at any time: lost jobs are submitted anew instead.
    "--no-requeue",
    "--open-mode=append",
  ];
  const kept = generated.filter((line) => !options.jobDirectivesSkip.some((text) => line.includes(text)));
  return [...kept, ...options.jobExtraDirectives].map((line) => `#SBATCH ${line}`);
}

function workerCommand(options: ResolvedSlurmOptions, facts: ScriptFacts, suffix: string): string {
  const { cores, processes, lifetimeSeconds } = options;
  const index = facts.count > 1 ? `$((${facts.first} + SLURM_ARRAY_TASK_ID))` : String(facts.first);
  return [
    options.nodeCommand ?? quote(facts.node),
    quote(facts.entry),
    "worker",
    facts.schedulerAddress,
    `--name "${options.name}-${index}${suffix}"`,
    `--nthreads ${Math.floor(cores / processes)}`,
    `--memory-limit ${Math.floor((MEMORY_SHARE * options.memoryBytes) / processes)}`,
    `--death-timeout ${options.deathTimeoutMs}ms`,
    ...(lifetimeSeconds === null
      ? []
      : [`--lifetime ${lifetimeSeconds}s --lifetime-stagger ${options.lifetimeStaggerSeconds}s`]),
    `--token-file ${quote(facts.tokenFile)}`,
    ...(options.localDirectory === null ? [] : [`--local-directory ${expandable(options.localDirectory)}`]),
    ...(options.interface === null ? [] : [`--interface ${quote(options.interface)}`]),
    ...options.workerExtraArgs.map(quote),
  ].join(" ");
}

/** Several workers, or lines after them: the shell stays, passes signals on, and answers the worst exit status. */
function supervised(options: ResolvedSlurmOptions, facts: ScriptFacts): string[] {
  const starts = Array.from(
    { length: options.processes },
    (_, i) => `${workerCommand(options, facts, options.processes > 1 ? `-${i}` : "")} & workers="$workers $!"`,
  );
  return [
    "workers=",
    "trap 'kill -USR2 $workers 2>/dev/null' USR2",
    "trap 'kill -TERM $workers 2>/dev/null' TERM",
    ...starts,
    "status=0",
    // A trapped signal ends `wait` early: a worker is waited for until it is gone.
    "for worker in $workers; do",
    '  while :; do wait "$worker" && ended=0 || ended=$?; kill -0 "$worker" 2>/dev/null || break; done',
    "  if [ $ended -gt $status ]; then status=$ended; fi",
    "done",
    ...options.jobScriptEpilogue,
    "exit $status",
  ];
}

/** A word that the shell takes as it is. */
export function quote(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** A word in which the node's shell expands `$NAME` and `${NAME}`, and nothing else. */
function expandable(text: string): string {
  return `"${text.replace(/["\\`]|\$(?![A-Za-z_]|\{\w+\})/g, "\\$&")}"`;
}
