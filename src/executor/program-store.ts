/**
 * Shared programs in shared memory, each text once: graphs come and go, and most are made of the same few programs. A
 * program keeps its number, by which threads have it ready, for as long as it is here.
 */
import type { MessageStore } from "./message-store.ts";
import { type CallProgram, type Program, programText } from "./programs.ts";
import type { MessagePlace } from "./ring.ts";

/** Programs that are kept although no graph has them. */
const IDLE_MAX = 256;

/** A program as threads find it. */
export interface StoredProgram {
  /** Never that of another one. */
  readonly number: number;
  readonly place: MessagePlace;
}

interface Entry extends StoredProgram {
  readonly text: string;
  /** Graphs that have it. */
  users: number;
}

const ENCODER = new TextEncoder();

let nextNumber = 1;

/** Programs of one executor. */
export class ProgramStore {
  readonly #messages: MessageStore;
  readonly #byText = new Map<string, Entry>();
  readonly #byProgram = new Map<Program | CallProgram, Entry>();
  /** Without a graph, longest first. */
  readonly #idle = new Set<Entry>();

  constructor(messages: MessageStore) {
    this.#messages = messages;
  }

  /** Where a program is; it stays there until it is dropped. */
  get(program: Program | CallProgram): StoredProgram {
    return this.#byProgram.get(program) ?? this.#put(program);
  }

  /** Its graph is closed, and none of its tasks is under way. */
  drop(program: Program | CallProgram): void {
    const entry = this.#byProgram.get(program);
    if (entry === undefined) return;
    this.#byProgram.delete(program);
    if (--entry.users > 0) return;
    this.#idle.add(entry);
    if (this.#idle.size <= IDLE_MAX) return;
    for (const oldest of this.#idle) return this.#forget(oldest);
  }

  #put(program: Program | CallProgram): Entry {
    const text = programText(program);
    const entry = this.#byText.get(text) ?? this.#write(text);
    entry.users++;
    this.#idle.delete(entry);
    this.#byProgram.set(program, entry);
    return entry;
  }

  #write(text: string): Entry {
    const bytes = ENCODER.encode(text);
    const place = this.#messages.put(bytes.length, (buffer, offset) =>
      new Uint8Array(buffer, offset, bytes.length).set(bytes),
    );
    const entry = { number: nextNumber++, place, text, users: 0 };
    this.#byText.set(text, entry);
    return entry;
  }

  #forget(entry: Entry): void {
    this.#idle.delete(entry);
    this.#byText.delete(entry.text);
    this.#messages.free(entry.place);
  }
}
