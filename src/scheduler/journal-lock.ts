/** One scheduler per journal: a file beside it names the process that writes it, for as long as that process lives. */
import { randomBytes } from "node:crypto";
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { ConfigError, WriteError } from "../base/index.ts";

/** Who writes a journal. */
interface Holder {
  readonly pid: number;
  readonly host: string;
  /** Which life of that machine, and when in it the process began: another process may get the same id. Null: unknown. */
  readonly since: string | null;
}

/** Others may take and leave the lock meanwhile; more often than this something else is wrong. */
const ATTEMPTS_MAX = 10;

/**
 * Take the lock of the journal at `journal`; the returned function gives it back. A lock of a process that is gone is taken over.
 *
 * @throws {ConfigError} code `journal-locked`: another process has it, here or on another machine
 * @throws {WriteError} the file system refuses
 */
export function lockJournal(journal: string): () => void {
  const path = `${journal}.lock`;
  const own = JSON.stringify({ pid: process.pid, host: hostname(), since: sinceOf(process.pid) } satisfies Holder);
  for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
    if (put(path, own)) return () => giveBack(path, own);
    const text = textOf(path);
    if (text === null) continue; // it was given back just now
    const holder = parse(text);
    if (holder && mayLive(holder)) throw isLocked(journal, path, holder);
    takeAway(path, text);
  }
  throw new WriteError(`journal ${journal}: its lock ${path} comes and goes; is it shared by several schedulers?`, {
    details: { path },
  });
}

function isLocked(journal: string, path: string, { pid, host }: Holder): Error {
  const isHere = host === hostname();
  const where = isHere ? "" : ` on ${host}`;
  const hint = isHere ? "" : `; if it is gone, remove ${path}`;
  return new ConfigError(
    `journal ${journal} is written by process ${pid}${where}: two schedulers cannot share one${hint}`,
    { details: { path, pid, host } },
    "journal-locked",
  );
}

/** False when somebody else's is there. The file has its text from the moment it has its name. */
function put(path: string, text: string): boolean {
  const own = `${path}.${randomBytes(8).toString("hex")}`;
  try {
    writeFileSync(own, text, { mode: 0o600 });
    linkSync(own, path);
    return true;
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return false;
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new WriteError(`journal lock ${path} cannot be written: ${why}`, { cause, details: { path } });
  } finally {
    rmSync(own, { force: true });
  }
}

function giveBack(path: string, own: string): void {
  if (textOf(path) === own) rmSync(path, { force: true });
}

/** Remove the lock with this text, and no other that has come in its place. */
function takeAway(path: string, text: string): void {
  const aside = `${path}.${randomBytes(8).toString("hex")}`;
  try {
    renameSync(path, aside);
    if (textOf(aside) !== text) linkSync(aside, path);
  } catch {
    // Somebody else was faster; who has the lock now is seen at the next attempt.
  } finally {
    rmSync(aside, { force: true });
  }
}

function textOf(path: string): string | null {
  try {
    return readFileSync(path, "utf8");
  } catch {
    return null; // it is not there
  }
}

/** Null: a machine that lost its power wrote it, or nobody of ours. */
function parse(text: string): Holder | null {
  try {
    const { pid, host, since } = JSON.parse(text) as Partial<Record<keyof Holder, unknown>>; // checked here
    if (!Number.isSafeInteger(pid) || typeof host !== "string") return null;
    return { pid: Number(pid), host, since: typeof since === "string" ? since : null };
  } catch {
    return null;
  }
}

/** Of a process on another machine nothing can be known. */
function mayLive({ pid, host, since }: Holder): boolean {
  if (host !== hostname()) return true;
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "EPERM")) return false;
  }
  const now = sinceOf(pid);
  return since === null || now === null || since === now;
}

/** Null where there is no /proc. */
function sinceOf(pid: number): string | null {
  const boot = textOf("/proc/sys/kernel/random/boot_id");
  const stat = textOf(`/proc/${pid}/stat`);
  if (boot === null || stat === null) return null;
  // Fields behind the command's name, which may hold spaces; the 20th of them is the time of its start.
  const started = stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19];
  return `${boot.trim()} ${started}`;
}
