/** A line-based conversation with peer.py. */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

const PYTHON = process.env["RSDAT_PYTHON"] ?? join(import.meta.dirname, "..", "..", ".venv", "bin", "python");

/** What NumPy's side tells of a call. */
export interface Answer {
  readonly ms?: readonly number[];
  readonly results?: readonly { readonly dtype: string; readonly shape: readonly number[] }[];
  readonly error?: string;
}

/** NumPy in a process of its own; inputs and results lie in `folder`. */
export class Peer {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(folder: string) {
    const env = { ...process.env, OPENBLAS_NUM_THREADS: "1", OMP_NUM_THREADS: "1" };
    this.#child = spawn(PYTHON, [join(import.meta.dirname, "peer.py"), folder], {
      env,
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  async read(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("peer.py ended early");
    return JSON.parse(value as string); // not done: a line
  }

  async ask(question: object): Promise<Answer> {
    this.#child.stdin.write(`${JSON.stringify(question)}\n`);
    return (await this.read()) as Answer; // peer.py's answers
  }

  end(): void {
    this.#child.stdin.end();
  }
}
