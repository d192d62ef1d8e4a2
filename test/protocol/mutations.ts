/** Messages of real peers, changed at random, and the delivery of such bytes to a server. Everything follows from a seed. */
import { connect as connectSocket } from "node:net";
import { join } from "node:path";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { isRsdatError, type Logger, type Random } from "../../src/base/index.ts";
import {
  decodeMessage,
  encodeFrames,
  encodeMessage,
  handshakeMessage,
  joinBytes,
  parseAddress,
} from "../../src/protocol/index.ts";
import { framesOf, messageOf, readGoldens } from "./wire-view.ts";

/** Mutations per test; `RSDAT_MUTATIONS=10000` is the long run, `RSDAT_SEED` starts another series. */
export const COUNT: number = Number(process.env["RSDAT_MUTATIONS"] ?? "2000");
export const SEED: number = Number(process.env["RSDAT_SEED"] ?? "1");
/** For each test of `count` mutations: far more than they take, so that only a hang ends it. */
export const timeoutFor = (count: number): number => 120_000 + count * 60;

/** A message to be mutated, and what a peer says on its connection before it. */
export interface Subject {
  readonly name: string;
  readonly opener: readonly Uint8Array[];
  readonly bytes: Uint8Array;
}

export const GOLDENS: ReturnType<typeof readGoldens> = readGoldens(join(import.meta.dirname, "../golden/wire"));

/** Bytes of one golden. */
export function golden(name: string): Uint8Array {
  const found = GOLDENS.find((g) => g.name === name);
  if (!found) throw new Error(`no golden ${name}`);
  return found.bytes;
}

/** A message of ours as it stands on the socket. */
export const bytesOf = (message: unknown): Uint8Array => joinBytes(encodeFrames(encodeMessage(message).frames));
export const HANDSHAKE: Uint8Array = bytesOf(handshakeMessage());

/** What stands in a log, for judging it. */
export interface Entry {
  readonly level: string;
  readonly code: unknown;
  readonly message: string;
}

/** A logger that keeps what it is told. */
export function logBook(): { readonly logger: Logger; readonly entries: Entry[] } {
  const entries: Entry[] = [];
  const at =
    (level: string) =>
    (message: string, details?: Readonly<Record<string, unknown>>): void =>
      void entries.push({ level, code: details?.["code"], message });
  return {
    entries,
    logger: { debug: at("debug"), info: at("info"), warning: at("warning"), error: at("error") },
  };
}

/** Entries that no typed error of ours would leave: a server that runs into `undefined` has not judged what it was sent. */
export function untyped(entries: readonly Entry[]): Entry[] {
  const isJavaScripts =
    /Cannot (read|set|convert|mix)|is not (a function|iterable|defined|a constructor)|Invalid (array|typed|time)/;
  return entries.filter(
    ({ level, code, message }) =>
      code === "error" || level === "error" || (code === undefined && isJavaScripts.test(message)),
  );
}

/** What a process grows by while all messages of one test are served, a collected heap (a leak shows) and its peak. */
export class Growth {
  readonly #heldBefore = heldBytes();
  readonly #residentBefore = process.memoryUsage.rss();
  #residentPeak = this.#residentBefore;

  sample(): void {
    this.#residentPeak = Math.max(this.#residentPeak, process.memoryUsage.rss());
  }

  /** MiB. */
  figures(): { readonly held: number; readonly resident: number } {
    const mebibytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
    return {
      held: mebibytes(heldBytes() - this.#heldBefore),
      resident: mebibytes(this.#residentPeak - this.#residentBefore),
    };
  }
}

/** Some change of the bytes or of the value, as random as `random`. */
export function mutate(bytes: Uint8Array, random: Random): Uint8Array {
  return random.below(2) === 0 ? mutateBytes(bytes, random) : mutateValue(bytes, random);
}

/** Flips, cuts, insertions, deletions, repeats and wrong lengths. */
export function mutateBytes(bytes: Uint8Array, random: Random): Uint8Array {
  let out = new Uint8Array(bytes);
  const times = 1 + random.below(3);
  for (let k = 0; k < times && out.length > 0; k++) {
    const at = random.below(out.length);
    // The head decides about framing and msgpack structure: half of the changes go there.
    const near = random.below(2) === 0 ? Math.min(at, random.below(Math.min(out.length, 120))) : at;
    const before = out.subarray(0, near);
    switch (random.below(7)) {
      case 0:
        out[near] = (out[near] ?? 0) ^ (1 << random.below(8));
        break;
      case 1:
        out[near] = random.below(256);
        break;
      case 2:
        out = out.slice(0, near);
        break;
      case 3:
        out = Uint8Array.from([...before, random.below(256), ...out.subarray(near)]);
        break;
      case 4:
        out = Uint8Array.from([...before, ...out.subarray(near + 1 + random.below(8))]);
        break;
      case 5:
        out = Uint8Array.from([...before, ...out.subarray(Math.max(0, near - 20), near), ...out.subarray(near)]);
        break;
      default: {
        const word = 8 * random.below(Math.min(6, Math.floor(out.length / 8) || 1));
        const value = [0n, 1n, 0xffn, 0xffff_ffffn, 2n ** 40n, 2n ** 64n - 1n][random.below(6)] ?? 0n;
        if (word + 8 <= out.length) new DataView(out.buffer).setBigUint64(word, value, true);
      }
    }
  }
  return out;
}

const STRANGE: readonly unknown[] = [
  null,
  -1,
  2 ** 40,
  0.5,
  Number.NaN,
  "",
  "a",
  "x".repeat(5000),
  [],
  [[[[]]]],
  new Map(),
  true,
  Buffer.from([1, 2, 3]),
  new Map([[[1], 2]]),
  new Set(["a"]),
  ["a", ["b"]],
];

/** A field dropped, added or given another type or value, up to three levels down, in a message that is well-formed. */
function mutateValue(bytes: Uint8Array, random: Random): Uint8Array {
  const changed = changeOne(decodeMessage(framesOf(bytes).frames), random, 3);
  try {
    return bytesOf(changed);
  } catch (error) {
    if (!isRsdatError(error)) throw error;
    return mutateBytes(bytes, random); // the strange value cannot be written in that place
  }
}

function changeOne(value: unknown, random: Random, depth: number): unknown {
  const strange = STRANGE[random.below(STRANGE.length)];
  if (value instanceof Map && value.size > 0 && depth > 0) {
    const names = Array.from(value.keys());
    const name = names[random.below(names.length)];
    const out = new Map<unknown, unknown>(value);
    // The op says what the rest means: it is changed less often than the rest.
    if (name === "op" && random.below(4) > 0) return changeOne(value, random, depth);
    if (random.below(6) === 0) out.delete(name);
    else if (random.below(8) === 0) out.set("surprise", strange);
    else out.set(name, random.below(2) === 0 ? changeOne(value.get(name), random, depth - 1) : strange);
    return out;
  }
  if (Array.isArray(value) && value.length > 0 && depth > 0) {
    const at = random.below(value.length);
    return value.map((item, i) => (i === at ? changeOne(item, random, depth - (i === 0 ? 0 : 1)) : item));
  }
  if (value instanceof Uint8Array && value.length > 0) return mutateBytes(value, random);
  return strange;
}

/** Write bytes on a fresh connection, end it, and wait until the server has closed it. */
export function deliver(address: string, pieces: readonly Uint8Array[]): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const { host, port } = parseAddress(address);
  const socket = connectSocket(port, host);
  socket.setTimeout(60_000, () => reject(new Error("the server neither answered nor closed the connection")));
  socket.on("error", () => undefined); // a reset is one way of closing
  socket.on("close", () => resolve());
  socket.resume();
  socket.end(joinBytes(pieces));
  return promise;
}

/** Bytes that are held once nothing more can be collected: objects and buffers of this process. */
function heldBytes(): number {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  collect();
  collect(); // buffers go with the objects that the first collection freed
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** How a failure names itself, with all that repeats it. */
export function describeMutation(seed: number, index: number, subject: Subject, bytes: Uint8Array): string {
  return `seed ${seed}, message ${index} (${subject.name}): ${Buffer.from(bytes).toString("base64").slice(0, 2000)}`;
}

/** Requests, from any peer to any server, but those that end it and `others`, which it has an op of that name for. */
export function requestSubjects(others: readonly string[]): Subject[] {
  const left = ["terminate", "register-worker", "register-client", ...others].map((op) => `request-${op}`);
  return GOLDENS.filter(({ name }) => name.startsWith("request-") && !left.includes(name)).map(({ name, bytes }) => ({
    name,
    bytes,
    opener: [HANDSHAKE],
  }));
}

/** Batches of a stream that is opened by `opener`. */
export function streamSubjects(prefix: string, opener: readonly Uint8Array[]): Subject[] {
  return GOLDENS.filter(({ name, bytes }) => name.startsWith(prefix) && Array.isArray(messageOf(bytes))).map(
    ({ name, bytes }) => ({ name, bytes, opener }),
  );
}
