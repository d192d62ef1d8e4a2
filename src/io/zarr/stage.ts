/** Whole stores on a file system: written beside their final place, swapped in, or removed. */
import { createHash, randomBytes } from "node:crypto";
import { existsSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ExistsError, WriteError } from "../../base/index.ts";
import { makeFolders, writeFailed } from "../store/file-store.ts";
import {
  asidePath,
  checkFolderOf,
  restoreAside,
  stagePath,
  stagesOf,
  sweepLeftovers,
  sweepUnfinished,
} from "../store/leftovers.ts";
import { LEDGERS } from "./ledger.ts";

function pathOf(url: string): string {
  return fileURLToPath(url).replace(/\/+$/, "");
}

/** True when something is there already; an empty folder is nothing. */
export function isTaken(url: string): boolean {
  const path = pathOf(url);
  if (!existsSync(path)) return false;
  return !statSync(path).isDirectory() || readdirSync(path).length > 0;
}

/** Place to write a store that will become `url`; one place per target unless `key` tells writes apart. */
export function stageUrl(url: string, key?: string): string {
  const own = key ?? createHash("sha256").update(url).digest("hex");
  return `${pathToFileURL(stagePath(pathOf(url), own.slice(0, 8))).href}/`;
}

/** Refuse early: no folder can be made at `url`. @throws {WriteError} */
export function checkPlace(url: string): void {
  checkFolderOf(pathOf(url));
}

/** Bring back the store at `url` that a killed {@link publishFolder} has moved aside. */
export function restoreFolder(url: string, olderMs?: number): boolean {
  return restoreAside(pathOf(url), olderMs);
}

/** Holds the name of the run that writes to a staged store. */
const RUN = ".rsdat-run";

/**
 * An empty folder for a store that will become `url`, in place of what killed runs have left beside it. Gives the name of
 * this run, by which {@link isOwn} knows it again.
 * @throws {WriteError} the file system refuses
 */
export function makeStage(staged: string, url: string): string {
  const path = pathOf(staged);
  const run = randomBytes(8).toString("hex");
  sweepLeftovers(pathOf(url));
  try {
    rmSync(path, { recursive: true, force: true });
    makeFolders(path);
    writeFileSync(join(path, RUN), run);
  } catch (e) {
    rmSync(path, { recursive: true, force: true });
    throw writeFailed(path, e, 0);
  }
  return run;
}

/**
 * Go on in the staged store that a killed run has left: what it finished stays, half-written files go. Gives the name of
 * this run.
 * @throws {WriteError} the file system refuses
 */
export function takeStage(staged: string, url: string): string {
  const path = pathOf(staged);
  const run = randomBytes(8).toString("hex");
  sweepLeftovers(pathOf(url), path);
  sweepUnfinished(path);
  try {
    writeFileSync(join(path, RUN), run);
  } catch (e) {
    throw writeFailed(path, e, 0);
  }
  return run;
}

/** True when beside `url` lies the work of another write that could have been resumed. */
export function hasOtherStage(url: string, staged: string): boolean {
  const own = pathOf(staged);
  return stagesOf(pathOf(url)).some((path) => path !== own && existsSync(join(path, LEDGERS)));
}

/** False once another run writes to the same target. */
export function isOwn(staged: string, run: string): boolean {
  try {
    return readFileSync(join(pathOf(staged), RUN), "utf8") === run;
  } catch {
    return false; // Whatever is wrong with it: it is not ours any more.
  }
}

/** @throws {WriteError} another run writes to the same target */
export function requireOwn(staged: string, run: string, url: string): void {
  if (isOwn(staged, run)) return;
  throw new WriteError(`another run has begun to write ${pathOf(url)}; this one gives up`, { details: { url } });
}

/** Remove a store and all below it. */
export function removeFolder(url: string): void {
  rmSync(pathOf(url), { recursive: true, force: true });
}

/**
 * Make the staged store the one at `url`.
 *
 * A file system has no call that Node offers to exchange two folders: between two renames nothing is at `url`. A run that is
 * killed just then leaves the old store aside, whole; the next one to open or write `url` brings it back
 * ({@link restoreFolder}).
 * @throws {ExistsError} `replace` is false and something has come there meanwhile
 * @throws {WriteError} the file system refuses; what was at `url` is there still
 */
export function publishFolder(staged: string, url: string, replace: boolean): void {
  const [from, to] = [pathOf(staged), pathOf(url)];
  if (!replace && isTaken(url))
    throw new ExistsError(`${to} came to exist while it was being written`, { details: { url } });
  const old = asidePath(from);
  try {
    rmSync(join(from, RUN), { force: true });
    const hadOld = existsSync(to);
    if (hadOld) renameSync(to, old);
    try {
      renameSync(from, to);
    } catch (e) {
      if (hadOld) renameSync(old, to);
      throw e;
    }
    if (hadOld) rmSync(old, { recursive: true, force: true });
  } catch (e) {
    throw writeFailed(to, e, 0);
  }
}
