/** Whole stores on a file system: written beside their final place, swapped in, or removed. */
import { randomBytes } from "node:crypto";
import { existsSync, readdirSync, renameSync, rmSync, statSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { ExistsError } from "../../base/index.ts";
import { makeFolders, writeFailed } from "../store/file-store.ts";

function pathOf(url: string): string {
  return fileURLToPath(url).replace(/\/+$/, "");
}

function folderUrl(path: string): string {
  return `${pathToFileURL(path).href}/`;
}

/** True when something is there already; an empty folder is nothing. */
export function isTaken(url: string): boolean {
  const path = pathOf(url);
  if (!existsSync(path)) return false;
  return !statSync(path).isDirectory() || readdirSync(path).length > 0;
}

/** Place to write a store that will become `url`: beside it, so that a rename suffices. */
export function stageUrl(url: string, key?: string): string {
  const path = pathOf(url);
  return folderUrl(join(dirname(path), `.${basename(path)}.rsdat-${key ?? randomBytes(4).toString("hex")}`));
}

/**
 * An empty folder for a store, in place of what a killed run may have left there.
 * @throws {WriteError} the file system refuses
 */
export function makeFolder(url: string): void {
  const path = pathOf(url);
  try {
    rmSync(path, { recursive: true, force: true });
    makeFolders(path);
  } catch (e) {
    throw writeFailed(path, e, 0);
  }
}

/** Remove a store and all below it. */
export function removeFolder(url: string): void {
  rmSync(pathOf(url), { recursive: true, force: true });
}

/**
 * Make the staged store the one at `url`.
 * @throws {ExistsError} `replace` is false and something has come there meanwhile
 * @throws {WriteError} the file system refuses; what was at `url` is there still
 */
export function publishFolder(staged: string, url: string, replace: boolean): void {
  const [from, to] = [pathOf(staged), pathOf(url)];
  if (!replace && isTaken(url))
    throw new ExistsError(`${to} came to exist while it was being written`, { details: { url } });
  const old = `${from}.old`;
  try {
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
