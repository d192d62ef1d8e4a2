// Installs the packages of package-lock.json when they are missing or from another lockfile; else does nothing.
// Runs before every npm script, on the machine's own Node (20 or later), so it is plain JavaScript without packages.
import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const lockPath = join(root, "package-lock.json");
const stampPath = join(root, "node_modules", ".rsdat-lock");

const lockHash = () => createHash("sha256").update(readFileSync(lockPath)).digest("hex");

function fail(message) {
  process.stderr.write(`${message}\n`);
  process.exit(1);
}

const wanted = lockHash();
if (!existsSync(stampPath) || readFileSync(stampPath, "utf8") !== wanted) {
  const npm = process.env.npm_execpath;
  const [command, ...first] = npm?.endsWith("js") ? [process.execPath, npm] : ["npm"];
  const args = [...first, "install", "--no-audit", "--no-fund", "--no-progress"];
  const { status, stdout, stderr, error } = spawnSync(command, args, { cwd: root, encoding: "utf8" });
  if (status !== 0) fail(`npm install failed:\n${error?.message ?? `${stdout}${stderr}`}`);
  if (lockHash() !== wanted) fail("npm install changed package-lock.json: commit the new one, or restore it");
  writeFileSync(stampPath, wanted);
}
