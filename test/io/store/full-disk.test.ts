/** A full disk and a folder that cannot be written: a typed error, and nothing half-written stays. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { describePeer, run } from "../../peers.ts";

interface Outcome {
  readonly threw: { readonly name: string; readonly code: string; readonly message: string } | null;
  readonly left: readonly string[];
}

describePeer("full and read-only file systems", "tmpfs", () => {
  test("every write ends in a typed error and leaves nothing", async () => {
    const folder = mkdtempSync(join(tmpdir(), "rsdat-full-"));
    // The mounts live in a namespace of their own and vanish with the command.
    const script = `mkdir "$1/small" "$1/ro" && mount -t tmpfs -o size=2m tmpfs "$1/small" && mount -t tmpfs -o ro tmpfs "$1/ro" && exec "$2" "$3" "$1/small" "$1/ro"`;
    const program = join(import.meta.dirname, "full-disk.ts");
    const out = await run("unshare", ["--mount", "sh", "-c", script, "sh", folder, process.execPath, program]);
    rmSync(folder, { recursive: true, force: true });
    const got: Record<string, Outcome> = JSON.parse(out);
    expect(got["fits"]).toEqual({ threw: null, left: ["deep"] });
    expect(got["objectTooLarge"]).toMatchObject({
      threw: { name: "WriteError", code: "no-space", message: expect.stringMatching(/deep\/a\.bin.*3145728 bytes/) },
      left: ["deep"],
    });
    expect(got["oldObjectSurvives"]).toMatchObject({ threw: { code: "no-space" }, left: ["was-a.bin"] });
    expect(got["cogPartTooLarge"]).toMatchObject({ threw: { name: "WriteError", code: "no-space" }, left: [] });
    expect(got["cogTooLarge"]).toMatchObject({
      threw: { name: "WriteError", code: "no-space", message: expect.stringMatching(/small\/a\.tif:/) },
      left: [],
    });
    expect(got["cogFits"]).toEqual({ threw: null, left: ["a.tif"] });
    expect(got["readonlyObject"]).toMatchObject({ threw: { name: "WriteError", code: "read-only" }, left: [] });
    expect(got["readonlyCog"]).toMatchObject({ threw: { name: "WriteError", code: "read-only" }, left: [] });
    expect(got["readonlyCheck"]).toMatchObject({
      threw: { name: "WriteError", code: "read-only", message: expect.stringMatching(/b\/a\.tif/) },
    });
  }, 240_000);
});
