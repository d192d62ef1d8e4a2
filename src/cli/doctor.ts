/** `rsdat doctor`: what this machine, or this node of a cluster, offers to a run, and what would go wrong; nothing is changed. */
import { execFileSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { networkInterfaces } from "node:os";
import { Command } from "commander";
import { ones } from "../array/index.ts";
import { errorToRecord, formatBytes } from "../base/index.ts";
import { connect, listen, Rpc, serveRequests } from "../comm/index.ts";
import {
  allottedCpus,
  allottedMemoryBytes,
  config,
  createLogger,
  memoryLimitBytes,
  packageVersion,
  readToken,
  searchedPaths,
  securityFor,
  speaksDialect,
  spillSetting,
} from "../config/index.ts";
import { pushRunner } from "../graph/index.ts";
import { LocalRunner } from "../local/index.ts";
import { parseAddress } from "../protocol/index.ts";

/** What was found: as it should be, worth knowing, or a run would fail. */
export interface Finding {
  readonly state: "ok" | "note" | "bad";
  readonly text: string;
}

type Check = () => Finding | Promise<Finding>;

const NODE_LEAST = 24;
/** V8 reserves 8 GiB of addresses for each segment of blocks, of which a process has a few. */
const ADDRESSES_LEAST = 2 ** 37;
const FILES_LEAST = 1024;
const REACHED_MS = 5_000;

const ok = (text: string): Finding => ({ state: "ok", text });
const note = (text: string): Finding => ({ state: "note", text });
const bad = (text: string): Finding => ({ state: "bad", text });

/** The command, ready to be added. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("What this machine offers to a run, and what would go wrong; run it on a compute node too")
    .argument("[scheduler]", "also reach the scheduler at this address")
    .action(async (scheduler: string | undefined) => {
      const found = await examine(scheduler);
      const width = Math.max(...found.map(([what]) => what.length));
      for (const [what, { state, text }] of found)
        process.stdout.write(`${state.padEnd(4)}  ${what.padEnd(width)}  ${text}\n`);
      if (found.some(([, { state }]) => state === "bad")) process.exitCode = 1;
    });
}

/**
 * All findings, in the order in which they are printed.
 *
 * @param scheduler an address that should be reached too
 * @param reachedMs time in which addresses have to answer
 */
export async function examine(
  scheduler?: string,
  reachedMs: number = REACHED_MS,
): Promise<readonly (readonly [what: string, Finding])[]> {
  const checks: Record<string, Check> = {
    versions,
    "CPUs and memory": limits,
    addresses: () => limitOf("Max address space", ADDRESSES_LEAST, "segments of blocks may not find room"),
    "open files": () => limitOf("Max open files", FILES_LEAST, "a scheduler of many workers needs one for each"),
    "huge pages": hugePages,
    "a run on threads": runOnThreads,
    spilling,
    configuration,
    certificates,
    token,
    network: () => network(reachedMs),
    Slurm: slurm,
    ...(scheduler === undefined ? {} : { scheduler: () => reach(scheduler, reachedMs) }),
  };
  const out: (readonly [string, Finding])[] = [];
  for (const [what, check] of Object.entries(checks)) out.push([what, await findingOf(check)]);
  return out;
}

async function findingOf(check: Check): Promise<Finding> {
  try {
    return await check();
  } catch (error) {
    return bad(errorToRecord(error).message); // whatever it is, it is what is found
  }
}

function versions(): Finding {
  const { node, v8 } = process.versions;
  const text = `rsdat ${packageVersion()}, Node ${node}, V8 ${v8}, ${process.platform} ${process.arch}`;
  return Number(node.split(".")[0]) >= NODE_LEAST ? ok(text) : bad(`${text}; Node ${NODE_LEAST} or later is needed`);
}

function limits(): Finding {
  const [cpus, memory] = [allottedCpus(), allottedMemoryBytes()];
  return ok(
    `${cpus.value} CPUs (${cpus.source}), ${formatBytes(memory.value)} (${memory.source}), of which a worker takes ${formatBytes(memoryLimitBytes())}`,
  );
}

/** A limit that the shell or the batch system sets. */
function limitOf(name: string, least: number, why: string): Finding {
  const line = textOf("/proc/self/limits")
    .split("\n")
    .find((each) => each.startsWith(name));
  const soft = line?.slice(name.length).trim().split(/\s+/)[0];
  if (soft === undefined || soft === "") return note("unknown on this system");
  if (soft === "unlimited" || Number(soft) >= least) return ok(soft);
  return note(`${soft}: ${why}; raise it (ulimit)`);
}

function hugePages(): Finding {
  const chosen = /\[(\w+)\]/.exec(textOf("/sys/kernel/mm/transparent_hugepage/enabled"))?.[1];
  if (chosen === undefined) return note("unknown on this system");
  return chosen === "never" ? note("never: large blocks are up to twice as slow to read") : ok(chosen);
}

/** Threads, shared memory, WebAssembly with vectors: whatever is missing, this says. */
async function runOnThreads(): Promise<Finding> {
  const side = 512;
  const started = performance.now();
  await using runner = new LocalRunner({ threads: 2 });
  const leave = pushRunner(runner);
  const result = ones([side, side], { chunks: side / 2 })
    .mul(2)
    .sum()
    .compute();
  const sum = Number((await result.finally(leave)).item());
  const ms = Math.round(performance.now() - started);
  return sum === 2 * side * side ? ok(`right, after ${ms} ms`) : bad(`gave ${sum} in place of ${2 * side * side}`);
}

function spilling(): Finding {
  const setting = spillSetting();
  if (setting) return ok(`${setting.folder}, at most ${formatBytes(setting.limitBytes)}`);
  return note("none: no folder on a disk; set temporary-directory or give --local-directory");
}

function configuration(): Finding {
  const there = searchedPaths().filter((path) => existsSync(path));
  config.text("rsdat.log-level"); // reads them all
  return ok(there.length > 0 ? there.join(", ") : "no files; defaults and environment");
}

function certificates(): Finding {
  const { tls, requiresEncryption } = securityFor("client");
  if (tls) return ok(`there, encryption ${requiresEncryption ? "required" : "not required"}`);
  return note("none: connections are not encrypted, so listen on loopback or a network that nobody else is on");
}

function token(): Finding {
  return readToken() === null
    ? note("none: workers started with --token-file, or RSDAT_TOKEN_FILE, run functions of clients that have it too")
    : ok("there, readable by its owner only");
}

/** Every address of this machine, and whether a listener on all of them is reached by it. */
async function network(timeoutMs: number): Promise<Finding> {
  const logger = createLogger("rsdat.doctor", "error");
  const hosts = Object.entries(networkInterfaces()).flatMap(([name, all]) =>
    (all ?? []).filter(({ family }) => family === "IPv4").map(({ address }) => [name, address] as const),
  );
  const handshake = { version: packageVersion(), dialect: speaksDialect(), logger };
  await using listener = await listen("tcp://0.0.0.0:0", (comm) => serveRequests(comm, {}, logger), handshake);
  const { port } = parseAddress(listener.address);
  const reached = await Promise.all(
    hosts.map(async ([name, address]) => {
      try {
        const comm = await connect(`tcp://${address}:${port}`, { timeoutMs, ...handshake });
        await comm.close();
        return { text: `${name} ${address}`, isReached: true };
      } catch {
        return { text: `${name} ${address} (not reached)`, isReached: false }; // that is the finding
      }
    }),
  );
  const text = reached.map((each) => each.text).join(", ");
  return reached.every(({ isReached }) => isReached) ? ok(text) : bad(text);
}

function slurm(): Finding {
  try {
    const said = execFileSync("sbatch", ["--version"], { timeout: REACHED_MS, encoding: "utf8", stdio: "pipe" });
    const job = process.env["SLURM_JOB_ID"];
    return ok(`${said.trim()}${job === undefined ? "" : `, inside job ${job}`}`);
  } catch {
    return note("no sbatch here: SlurmCluster and rsdat submit need it"); // a laptop has none
  }
}

async function reach(address: string, timeoutMs: number): Promise<Finding> {
  const security = securityFor("client");
  await using rpc = new Rpc({ version: packageVersion(), dialect: speaksDialect(), timeoutMs, security });
  const [identity, said] = await Promise.all([
    rpc.call(address, { op: "identity" }),
    rpc.call(address, { op: "versions" }),
  ]);
  if (!(identity instanceof Map) || !(said instanceof Map)) return bad(`${address}: answers, but not as a scheduler`);
  const packages: unknown = said.get("packages");
  const kind =
    packages instanceof Map ? Array.from(packages, ([name, version]) => `${name} ${version}`).join(", ") : "";
  return ok(`${address}: ${identity.get("type")} with ${identity.get("n_workers") ?? "unknown"} workers, ${kind}`);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return ""; // not Linux, or not allowed: unknown
  }
}
