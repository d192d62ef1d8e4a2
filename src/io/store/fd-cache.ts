/** Open files of this thread, at most 256, least recently used closed first. */
import { close, closeSync, fstatSync, openSync, type Stats, statSync } from "node:fs";
import { noteCache } from "../work.ts";
import { type ObjectVersion, sameVersion } from "./store.ts";

const OPEN_FILES_MAX = 256;

/** One open file; `users` keeps it from being closed while an asynchronous read runs. */
export interface OpenFile {
  readonly path: string;
  readonly fd: number;
  readonly ino: number;
  users: number;
}

const OPEN = new Map<string, OpenFile>();

/** Version of a file: size and modification time. */
export function versionOf(stats: Stats): ObjectVersion & { readonly size: number } {
  return { size: stats.size, mtimeMs: stats.mtimeMs };
}

/**
 * The file at `path`, open for reading, and its version now. With `expect` a cached handle that still has that
 * version is used as it is; else the path is looked at again, so that a file renamed into place is seen.
 */
export function openFile(
  path: string,
  expect?: ObjectVersion,
): { file: OpenFile; version: ObjectVersion & { size: number } } {
  const cached = OPEN.get(path);
  if (cached) {
    const stats = fstatSync(cached.fd);
    const isCurrent = expect
      ? sameVersion(versionOf(stats), expect)
      : sameFile(stats, statSync(path, { throwIfNoEntry: false }));
    if (isCurrent) {
      noteCache("open-files", true);
      OPEN.delete(path);
      OPEN.set(path, cached);
      return { file: cached, version: versionOf(stats) };
    }
    forgetFile(path);
  }
  noteCache("open-files", false);
  const fd = openSync(path, "r");
  const stats = fstatSync(fd);
  if (stats.isDirectory()) {
    closeSync(fd);
    throw Object.assign(new Error(`EISDIR: ${path} is a directory`), { code: "EISDIR" });
  }
  const file = { path, fd, ino: stats.ino, users: 0 };
  OPEN.set(path, file);
  evict();
  return { file, version: versionOf(stats) };
}

/** Close the cached handle of `path`, at once or after its last user. */
export function forgetFile(path: string): void {
  const file = OPEN.get(path);
  if (!file) return;
  OPEN.delete(path);
  if (file.users === 0) closeSync(file.fd);
}

/** End of an asynchronous use: closes a handle that was dropped meanwhile. */
export function releaseFile(file: OpenFile): void {
  file.users--;
  // An error of close on a file opened for reading loses nothing.
  if (file.users === 0 && OPEN.get(file.path) !== file) close(file.fd, () => undefined);
}

/** Close all cached handles of this thread that are not in use. */
export function closeFiles(): void {
  for (const path of [...OPEN.keys()]) forgetFile(path);
}

function sameFile(a: Stats, b: Stats | undefined): boolean {
  return b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

function evict(): void {
  if (OPEN.size <= OPEN_FILES_MAX) return;
  for (const file of OPEN.values()) {
    if (file.users > 0) continue;
    forgetFile(file.path);
    return;
  }
}
