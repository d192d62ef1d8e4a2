/** Fetching results: from the workers that hold them, or through the scheduler where workers cannot be reached. */
import { CommError, isRsdatError } from "../base/index.ts";
import { getData } from "../comm/index.ts";
import { type Key, showKey } from "../graph/index.ts";
import { deserialize, GATHER, type Serialized, WHO_HAS_REQUEST } from "../protocol/index.ts";
import type { Link, Watch } from "./link.ts";
import { retried } from "./retry.ts";

/** Times a result is looked for again after it was not where it was said to be. */
const ATTEMPTS_MAX = 5;
/** Times a question is asked again that a scheduler did not live to answer. */
const ASKED_MAX = 20;
const BUSY_MS = 150;
const TRANSFER_MS = 600_000;

/**
 * Values of `keys`, which are retained and in memory. What a worker has lost meanwhile is waited for again.
 *
 * @throws {RemoteError} a task failed
 * @throws {CommError} results could not be had, although the scheduler says they are there
 */
export async function fetchValues(link: Link, keys: readonly Key[]): Promise<Map<Key, unknown>> {
  const found = new Map<Key, unknown>();
  let missing: readonly Key[] = keys;
  let asked = 0;
  for (let attempt = 0; missing.length > 0; attempt++) {
    if (attempt === ATTEMPTS_MAX)
      throw new CommError(
        "gather",
        `results of ${showKey(missing[0] as Key)} and ${missing.length - 1} others could not be fetched`,
      );
    await settled(link, missing);
    missing = withoutTold(link, missing, found);
    if (missing.length === 0) break;
    let answer: ReadonlyMap<Key, Serialized>;
    try {
      answer = await fetchOnce(link, missing, attempt);
    } catch (error) {
      if (!(await link.mayAskAgain(error)) || ++asked > ASKED_MAX) throw error;
      attempt--;
      continue;
    }
    for (const [key, value] of answer) found.set(key, deserialize(value));
    missing = missing.filter((key) => !found.has(key));
    for (const key of missing) {
      link.pend(link.watch(key));
      link.send({ op: "report-key", key });
    }
  }
  return found;
}

/**
 * Values of what is watched, once all of it is in memory.
 * @throws as {@link fetchValues}
 */
export async function valuesOf(link: Link, watches: readonly Watch[]): Promise<unknown[]> {
  await ended(link, watches);
  const missing = new Set(watches.filter(({ scalar }) => scalar?.length !== 1));
  const told = watches.map(({ scalar }) => scalar?.[0] ?? null);
  if (missing.size === 0) return told;
  const fetched = await fetchValues(link, Array.from(new Set(Array.from(missing, ({ key }) => key))));
  return watches.map((watch, i) => (missing.has(watch) ? fetched.get(watch.key) : told[i]));
}

/** Results that the scheduler told need not be asked for; gives the others. */
function withoutTold(link: Link, keys: readonly Key[], found: Map<Key, unknown>): readonly Key[] {
  return keys.filter((key) => {
    const { scalar } = link.watch(key);
    if (scalar?.length !== 1) return true;
    found.set(key, scalar[0]);
    return false;
  });
}

/** Wait until all of these are in memory. @throws the first one's error */
export async function settled(link: Link, keys: readonly Key[]): Promise<void> {
  return ended(
    link,
    keys.map((key) => link.watch(key)),
  );
}

/** The same of what is watched. @throws the first one's error */
export async function ended(link: Link, watches: readonly Watch[]): Promise<void> {
  using _held = link.hold();
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  let left = 1;
  const end = (watch: Watch): void => {
    if (watch.error) reject(watch.error);
    else if (--left === 0) resolve();
  };
  for (const watch of watches) {
    left++;
    if (watch.status === "pending") link.whenSettled(watch, end);
    else end(watch);
  }
  if (--left === 0) resolve();
  await promise;
}

async function fetchOnce(link: Link, keys: readonly Key[], attempt: number): Promise<ReadonlyMap<Key, Serialized>> {
  using _held = link.hold();
  // The first try goes to the workers; once that has failed, the scheduler may reach what this machine cannot.
  if (attempt > 0) return throughScheduler(link, keys);
  const byWorker = new Map<string, Key[]>();
  for (const [key, workers] of await holders(link, keys)) {
    const worker = workers[0];
    if (worker === undefined) continue;
    const list = byWorker.get(worker);
    if (list) list.push(key);
    else byWorker.set(worker, [key]);
  }
  const answers = await Promise.all(Array.from(byWorker, ([worker, wanted]) => fromWorker(link, worker, wanted)));
  return new Map(answers.flatMap((answer) => Array.from(answer)));
}

async function holders(link: Link, keys: readonly Key[]): Promise<ReadonlyMap<Key, readonly string[]>> {
  const known = new Map<Key, readonly string[]>();
  const unknown: Key[] = [];
  for (const key of keys) {
    const { workers } = link.watch(key);
    if (workers.length > 0) known.set(key, workers);
    else unknown.push(key);
  }
  if (unknown.length === 0) return known;
  const answer = WHO_HAS_REQUEST.parseAnswer(
    await retried(() => link.rpc.call(link.address, WHO_HAS_REQUEST.ask({ keys: unknown }))),
  );
  return new Map([...known, ...answer]);
}

async function fromWorker(link: Link, worker: string, keys: readonly Key[]): Promise<ReadonlyMap<Key, Serialized>> {
  for (;;) {
    try {
      const answer = await getData(link.rpc, worker, { keys, who: null }, { timeoutMs: TRANSFER_MS });
      if (answer.status === "OK") {
        await link.rpc.decompress(answer.data.values());
        return answer.data;
      }
      await new Promise((resolve) => setTimeout(resolve, BUSY_MS));
    } catch (error) {
      // Dead or out of reach: the next attempt asks the scheduler, which knows better.
      if (isRsdatError(error)) return new Map();
      throw error;
    }
  }
}

async function throughScheduler(link: Link, keys: readonly Key[]): Promise<ReadonlyMap<Key, Serialized>> {
  const answer = GATHER.parseAnswer(
    await retried(() => link.rpc.call(link.address, GATHER.ask({ keys }), { timeoutMs: TRANSFER_MS })),
  );
  const data = answer.data ?? new Map<Key, Serialized>();
  await link.rpc.decompress(data.values());
  return data;
}
