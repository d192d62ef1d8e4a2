/** A line-based conversation with peer.py. */
import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const PYTHON: string =
  process.env["RSDAT_PYTHON"] ?? join(import.meta.dirname, "..", "..", ".venv", "bin", "python");

export interface Question {
  readonly row: string;
  readonly peer: string;
  readonly view?: string;
  /** Write the result to a file instead of timing it often. */
  readonly save?: boolean;
  /** dtype that a saved result has; NumPy's own must be it. */
  readonly dtype?: string;
  readonly repeats?: number;
}

export interface Answer {
  readonly ms?: number;
  readonly dtype?: string;
  readonly error?: string;
}

export interface Hello {
  readonly versions: Readonly<Record<string, string | null>>;
  readonly gdal: string | null;
}

export class Peer {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  hello: Hello = { versions: {}, gdal: null };

  private constructor(folder: string, threads: number, cpu: boolean) {
    const child = spawn(PYTHON, [join(import.meta.dirname, "peer.py"), folder, String(threads), cpu ? "cpu" : "wall"], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#child = child;
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** A process that uses so many threads, and tells processor or wall time. */
  static async start(folder: string, threads: number, cpu: boolean): Promise<Peer> {
    const peer = new Peer(folder, threads, cpu);
    peer.hello = (await peer.#read()) as Hello; // its first line
    return peer;
  }

  async #read(): Promise<unknown> {
    const { value, done } = await this.#lines.next();
    if (done) throw new Error("peer.py ended early");
    return JSON.parse(value as string); // a line
  }

  /** What peer.py says, errors included. */
  async attempt(question: Question): Promise<Answer> {
    this.#child.stdin?.write(`${JSON.stringify(question)}\n`);
    return (await this.#read()) as Answer; // one per question
  }

  /** @throws {Error} the peer failed */
  async ask(question: Question): Promise<Answer> {
    const answer = await this.attempt(question);
    if (answer.error !== undefined) throw new Error(`${question.row}, ${question.peer}: ${answer.error}`);
    return answer;
  }

  end(): void {
    this.#child.stdin?.end();
  }
}
