/**
 * The foreign programs and data that some tests compare against, and how to look for each.
 * A peer that is absent is skipped in one line on a user's machine and is a failure where `CI=true`.
 */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { join } from "node:path";

/** The root of the repository. */
export const ROOT: string = join(import.meta.dirname, "..");

/** The Python that holds the peers: `RSDAT_PYTHON`, else the clone's virtual environment. */
export const PYTHON: string = process.env["RSDAT_PYTHON"] ?? join(ROOT, ".venv", "bin", "python");

const PYTHON_HINT = "scripts/python-venv";

export type PeerName =
  | "dask"
  | "distributed"
  | "numpy"
  | "rasterio"
  | "rio-cogeo"
  | "rioxarray"
  | "xarray"
  | "zarr"
  | "slurm"
  | "tmpfs"
  | "test-data";

/** Every peer: where a reader gets it. The Python ones are distribution names in `requirements/python.txt`. */
export const PEER_HINTS: Readonly<Record<PeerName, string>> = {
  dask: PYTHON_HINT,
  distributed: PYTHON_HINT,
  numpy: PYTHON_HINT,
  rasterio: PYTHON_HINT,
  "rio-cogeo": PYTHON_HINT,
  rioxarray: PYTHON_HINT,
  xarray: PYTHON_HINT,
  zarr: PYTHON_HINT,
  slurm: "test/slurm/cluster up (Debian, root)",
  tmpfs: "needs root on Linux: a small file system that fills up",
  "test-data": "RSDAT_TEST_DATA=folder with MANIFEST.md and truth/",
};

/** Version of each peer, or null when it is not here. */
export type FoundPeers = Readonly<Record<PeerName, string | null>>;

const PEER_NAMES = Object.keys(PEER_HINTS) as PeerName[]; // its keys are the type's definition

/** The output's first line, or null when the command is missing or fails. */
function firstLine(command: string, args: readonly string[]): string | null {
  const { status, stdout } = spawnSync(command, args, { encoding: "utf8", timeout: 120_000 });
  return status === 0 ? (stdout.split("\n")[0] ?? "") : null;
}

function pythonVersions(): Partial<Record<PeerName, string>> {
  const names = PEER_NAMES.filter((name) => PEER_HINTS[name] === PYTHON_HINT);
  const program = `
import json, sys
from importlib.metadata import PackageNotFoundError, version
found = {}
for name in sys.argv[1:]:
    try:
        found[name] = version(name)
    except PackageNotFoundError:
        pass
print(json.dumps(found))`;
  const line = firstLine(PYTHON, ["-c", program, ...names]);
  return line === null ? {} : JSON.parse(line);
}

/** Only the project's own test cluster counts: tests must never submit jobs to a site's Slurm. */
function slurmVersion(): string | null {
  return firstLine(join(ROOT, "test", "slurm", "cluster"), ["status"]);
}

function tmpfsVersion(): string | null {
  return process.platform === "linux"
    ? firstLine("unshare", ["--mount", "sh", "-c", "mount -t tmpfs -o size=1m tmpfs /mnt && uname -r"])
    : null;
}

function testDataVersion(): string | null {
  const folder = process.env["RSDAT_TEST_DATA"];
  return folder && existsSync(join(folder, "truth", "readers.json")) ? folder : null;
}

/** Looks for every peer on this machine; takes a few hundred milliseconds. */
export function findPeers(): FoundPeers {
  const versions: Partial<Record<PeerName, string | null>> = {
    ...pythonVersions(),
    slurm: slurmVersion(),
    tmpfs: tmpfsVersion(),
    "test-data": testDataVersion(),
  };
  // the object is complete by construction: one entry per name
  return Object.fromEntries(PEER_NAMES.map((name) => [name, versions[name] ?? null])) as FoundPeers;
}
