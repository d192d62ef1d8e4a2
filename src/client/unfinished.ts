/** What a client has to say again to a scheduler that was started again from its journal. */
import type { Key } from "../graph/index.ts";
import { blockKeys, type ClientToScheduler, wantedKeys, wantingOnly } from "../protocol/index.ts";

/** Submissions after which those that nobody waits for any more are looked for. */
const SUBMISSIONS_MIN = 64;
/** Last releases that are said again: more than a connection that breaks can have swallowed. */
const RELEASES_MAX = 65_536;

/** Submissions whose results are wanted, and the last releases; both may not have reached the scheduler. */
export class Unfinished {
  #submissions: ClientToScheduler[] = [];
  #released: Key[] = [];
  #pruneAt = SUBMISSIONS_MIN;

  /** A message goes out. */
  sent(message: ClientToScheduler, isWanted: (key: Key) => boolean): void {
    if (message.op === "client-releases-keys") {
      this.#noteReleased(message.keys.slice(-RELEASES_MAX));
    } else if (message.op === "client-releases-column") {
      this.#noteReleased(message.keys.toArray().slice(-RELEASES_MAX));
    } else if (message.op === "client-releases-blocks") {
      this.#noteReleased(blockKeys({ ...message, blocks: message.blocks.slice(-RELEASES_MAX) }));
    } else if (message.op === "update-graph" || message.op === "update-layers") {
      this.#submissions.push(message);
      if (this.#submissions.length > this.#pruneAt) this.#prune(isWanted);
    }
  }

  /** Everything in the order in which it is to be said. */
  messages(client: string, isWanted: (key: Key) => boolean): ClientToScheduler[] {
    this.#prune(isWanted);
    const keys = this.#released.filter((key) => !isWanted(key));
    return [
      ...(keys.length > 0 ? [{ op: "client-releases-keys" as const, keys, client }] : []),
      ...this.#submissions.map((message) => leftOf(message, isWanted)),
    ];
  }

  #noteReleased(keys: readonly Key[]): void {
    this.#released.push(...keys);
    if (this.#released.length > 2 * RELEASES_MAX) this.#released = this.#released.slice(-RELEASES_MAX);
  }

  #prune(isWanted: (key: Key) => boolean): void {
    this.#submissions = this.#submissions.filter((message) => keysOf(message).some(isWanted));
    this.#pruneAt = Math.max(SUBMISSIONS_MIN, 2 * this.#submissions.length);
  }
}

/** The submission without what has been taken already. */
function leftOf(message: ClientToScheduler, isWanted: (key: Key) => boolean): ClientToScheduler {
  if (message.op === "update-layers") return wantingOnly(message, isWanted);
  if (message.op === "update-graph") return { ...message, keys: message.keys.filter(isWanted) };
  return message;
}

function keysOf(message: ClientToScheduler): readonly Key[] {
  if (message.op === "update-layers") return wantedKeys(message);
  return message.op === "update-graph" ? message.keys : [];
}
