/** Which inputs to ask of which peer: one request per peer at a time, as many keys in it as its bound of bytes allows. */
import type { Core, Peer } from "./core.ts";
import { isBefore, type WorkerTask } from "./task.ts";

/**
 * Ask peers for what is needed until a bound is reached. The most urgent task decides the peer; of two peers that hold
 * it, one on this host, then the one with more to give. Whatever its size, something is always fetched when nothing is
 * under way. Source: distributed `_ensure_communicating`.
 */
export function fetchInputs(core: Core): void {
  while (core.status === "running" && core.needyPeers.size > 0 && !isThrottled(core)) {
    const peer = choosePeer(core);
    if (!peer) return;
    const { tasks, nbytes, cutBytes } = chooseTasks(core, peer);
    if (tasks.length === 0) return;
    peer.asked = tasks;
    peer.askedBytes = nbytes;
    if (cutBytes >= 0) {
      peer.askedCutBytes = cutBytes;
      core.cutBytes += cutBytes;
      core.cutCount++;
    }
    core.incomingCount++;
    core.incomingBytes += nbytes;
    for (const task of tasks) core.recommend(task, "flight");
    core.outbox.push({ type: "gather", worker: peer.address, keys: tasks.map((task) => task.key), nbytes });
  }
}

function isThrottled(core: Core): boolean {
  const { incomingBytesMax, incomingCountMax, incomingThrottleBytes } = core.limits;
  if (core.incomingBytes >= incomingBytesMax) return true;
  return core.incomingCount >= incomingCountMax && core.incomingBytes >= incomingThrottleBytes;
}

function choosePeer(core: Core): Peer | undefined {
  let best: Peer | undefined;
  for (const peer of core.needyPeers) {
    if (peer.asked !== null || peer.busyUntil > core.now) continue;
    // What rechunks may not have now keeps nothing else waiting.
    const first = peer.needed.peek();
    if (first?.layer?.isCut === true && !fitsRechunks(core, first, -1)) continue;
    if (!best || isBetter(core, peer, best)) best = peer;
  }
  return best;
}

function isBetter(core: Core, a: Peer, b: Peer): boolean {
  const first = a.needed.peek();
  const second = b.needed.peek();
  if (!first || !second) return first !== undefined;
  if (first !== second) return isBefore(first, second);
  if ((a.host === core.host) !== (b.host === core.host)) return a.host === core.host;
  return a.needed.size > b.needed.size;
}

interface Chosen {
  readonly tasks: WorkerTask[];
  readonly nbytes: number;
  /** Of these, what rechunks cut; -1: nothing. */
  readonly cutBytes: number;
}

function chooseTasks(core: Core, peer: Peer): Chosen {
  const tasks: WorkerTask[] = [];
  let nbytes = 0;
  let cutBytes = -1;
  for (let task = peer.needed.peek(); task; task = peer.needed.peek()) {
    const allowed = core.limits.incomingBytesMax - core.incomingBytes;
    const isFirst = nbytes === 0 && core.incomingBytes === 0;
    if (
      !isFirst &&
      task.nbytes > (tasks.length > 0 ? Math.min(allowed, core.limits.messageBytesMax) : allowed) - nbytes
    )
      break;
    const isCut = task.layer?.isCut === true;
    if (isCut && !fitsRechunks(core, task, cutBytes)) break;
    for (const address of task.whoHas) {
      const holder = core.peers.get(address);
      if (holder) core.unneed(holder, task);
    }
    tasks.push(task);
    nbytes += task.nbytes;
    if (isCut) cutBytes = Math.max(cutBytes, 0) + task.nbytes;
  }
  return { tasks, nbytes, cutBytes };
}

/** True for a block that rechunks cut if it may be asked for now, in a request with `cutBytes` of such, -1: none, before it. */
function fitsRechunks(
  { limits, cutCount, cutBytes: underWay }: Core,
  { nbytes }: WorkerTask,
  cutBytes: number,
): boolean {
  if (limits.rechunks === undefined) return true;
  const { bytesMax, messageBytesMax, countMax } = limits.rechunks;
  if (cutBytes < 0) return cutCount < countMax && (underWay === 0 || underWay + nbytes <= bytesMax);
  return cutBytes + nbytes <= messageBytesMax && underWay + cutBytes + nbytes <= bytesMax;
}
