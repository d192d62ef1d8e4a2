/** The cluster's token: the secret under which user code is vouched for. It lives in a file that only its owner reads. */
import { readFileSync, statSync } from "node:fs";
import { ConfigError } from "../base/index.ts";

/**
 * The token in `file`, else in the file that `RSDAT_TOKEN_FILE` names, else null.
 * @throws {ConfigError} the file cannot be read, is empty, or others than its owner may read it
 */
export function readToken(file: string | null = process.env["RSDAT_TOKEN_FILE"] ?? null): string | null {
  if (file === null || file === "") return null;
  let token: string;
  let mode: number;
  try {
    token = readFileSync(file, "utf8").trim();
    mode = statSync(file).mode;
  } catch (cause) {
    throw new ConfigError(
      `token file ${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause, details: { file } },
    );
  }
  if (token === "")
    throw new ConfigError(`token file ${file} is empty; expected the cluster's token`, { details: { file } });
  if ((mode & 0o077) !== 0 && process.platform !== "win32") {
    throw new ConfigError(
      `token file ${file} has mode ${(mode & 0o777).toString(8)}; expected 600, since who reads it can run code on the cluster`,
      { details: { file } },
    );
  }
  return token;
}
