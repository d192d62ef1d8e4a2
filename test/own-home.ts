/**
 * A home of the tests' own: what the user has in `~/.config/dask` or in `DASK_*` variables would change what rsdat, and
 * Dask beside it, do. Programs that look there for what they need to work at all are told where the user's own is.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { homedir, tmpdir } from "node:os";
import { join } from "node:path";

/** Variables that say where in the user's own home something is, and where that is by default. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  npm_config_userconfig: ".npmrc",
  npm_config_cache: ".npm",
  PYTHONUSERBASE: ".local",
  GIT_CONFIG_GLOBAL: ".gitconfig",
};

/** From here on this process, and those that it starts, live in an empty home without configuration. Gives how to remove it. */
export function enterOwnHome(env: NodeJS.ProcessEnv = process.env): () => void {
  const users = env["HOME"] ?? homedir();
  for (const [name, path] of Object.entries(ELSEWHERE)) env[name] ??= join(users, path);
  for (const name of Object.keys(env)) if (name.startsWith("DASK_")) delete env[name];
  const home = mkdtempSync(join(tmpdir(), "rsdat-home-"));
  env["HOME"] = home;
  env["DASK_ROOT_CONFIG"] = join(home, "no-root-config"); // by default a folder of the machine
  return () => rmSync(home, { recursive: true, force: true });
}
