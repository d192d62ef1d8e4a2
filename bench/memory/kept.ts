/**
 * Outcomes of rows that ran before, one JSON line each, in the file that `RSDAT_BENCH_KEEP` names: the whole table takes an
 * hour, and a run that was stopped goes on with the rest. Each line names the commit that was measured.
 */
import { execFileSync } from "node:child_process";
import { appendFileSync, existsSync, readFileSync } from "node:fs";

/** What a side printed. */
export interface Told {
  readonly results?: readonly number[];
  readonly error?: string;
  readonly seconds: number;
  readonly peaks?: Readonly<Record<string, number>>;
  readonly spilledBytes?: number;
  readonly restarts?: number;
  readonly plan?: { readonly leastBytes: number; readonly peakWorkerBytes: number; readonly bytesSpilled: number };
  readonly memory?: { readonly peakBytes: number; readonly spilledBytes: number } | null;
}

/** Both sides of a row; without a peer where it has none. */
export interface Sides {
  readonly side: Told;
  readonly beside: Told | null;
}

/** The rows of a file, by id; without a file nothing is kept. */
export class KeptRows {
  readonly #path: string | undefined;
  readonly #rows = new Map<string, Sides>();
  readonly #commit: string;

  constructor(path: string | undefined) {
    this.#path = path;
    this.#commit =
      path === undefined ? "" : execFileSync("git", ["rev-parse", "--short", "HEAD"], { encoding: "utf8" });
    if (path === undefined || !existsSync(path)) return;
    for (const line of readFileSync(path, "utf8").split("\n").filter(Boolean)) {
      const { id, side, beside } = JSON.parse(line) as Sides & { readonly id: string }; // written below
      this.#rows.set(id, { side, beside });
    }
  }

  /** The row's outcome, from the file or by `measure`. */
  async take(id: string, measure: () => Promise<Sides>): Promise<Sides> {
    const known = this.#rows.get(id);
    if (known) return known;
    const sides = await measure();
    if (this.#path !== undefined)
      appendFileSync(this.#path, `${JSON.stringify({ id, commit: this.#commit.trim(), ...sides })}\n`);
    return sides;
  }
}
