/** Functions of users on a compute thread, by the numbers of their programs, and what they are called with. */
import { decodePlain, type Plain } from "../graph/index.ts";
import { type Records, readCallText } from "./call-record.ts";
import type { CallProgram } from "./programs.ts";
import { callArguments } from "./steps-call.ts";

/** Texts that a thread keeps at hand. */
const KEPT_MAX = 1024;
const ENCODER = new TextEncoder();

/** A thread's functions, and the arguments that it read last. */
export class CallPrograms {
  readonly #texts = new Map<number, string>();
  #lastText: string | null = null;
  #lastArguments: Plain = null;

  /** Text of the function of this number; `bytes` gives its program where it is not known. */
  get(number: number, bytes: () => Uint8Array): string {
    const known = this.#texts.get(number);
    if (known !== undefined) return known;
    const { call } = decodePlain(bytes(), "program") as CallProgram; // the text of programText
    if (this.#texts.size >= KEPT_MAX) this.#texts.delete(this.#texts.keys().next().value ?? 0);
    this.#texts.set(number, call);
    return call;
  }

  /** What the call of a slot is called with. */
  argumentsOf(records: Records, slot: number, inputs: readonly unknown[]): unknown[] {
    const text = readCallText(records, slot);
    // Whatever stands for something else is an object: without one, JSON says the arguments as they are.
    if (text.startsWith("[") && !text.includes("{")) return JSON.parse(text) as unknown[]; // a list, by its first character
    if (text !== this.#lastText) {
      this.#lastArguments = decodePlain(ENCODER.encode(text), "arguments") as Plain; // written by `plainText`
      // Bytes are the function's own: it may write to them.
      this.#lastText = text.includes('"$b"') ? null : text;
    }
    return callArguments(this.#lastArguments, inputs);
  }
}
