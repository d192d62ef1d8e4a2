/**
 * Who begins what: the order of a graph in pieces of neighbouring tasks. Neighbours in the order are neighbours in the
 * graph, so a worker that takes tasks without inputs ("roots") from one piece, in order, holds what their dependents need.
 * The order is cut where few bytes cross. A worker that has no piece takes the one behind its last, or the first that
 * nobody has; when there is none, the far half of somebody else's.
 */
import { Heap } from "../../base/index.ts";
import type { OrderCuts } from "../../graph/index.ts";
import type { RankSet } from "./rank-set.ts";
import { IndexLine } from "./worker-line.ts";

/** Ranks from `from` up to `to`, less those whose roots were sent. */
export interface Piece {
  from: number;
  to: number;
}

/** Who has which piece, by the index of the worker; in the order in which they got one. */
export class Claims implements Iterable<[worker: number, piece: Piece]> {
  readonly #line = new IndexLine();
  readonly #pieces: (Piece | undefined)[] = [];

  get size(): number {
    return this.#line.size;
  }

  has(worker: number): boolean {
    return this.#line.has(worker);
  }

  get(worker: number): Piece | undefined {
    return this.#line.has(worker) ? this.#pieces[worker] : undefined;
  }

  set(worker: number, piece: Piece): void {
    while (this.#pieces.length < worker) this.#pieces.push(undefined);
    this.#pieces[worker] = piece;
    this.#line.add(worker);
  }

  delete(worker: number): void {
    this.#line.delete(worker);
  }

  *[Symbol.iterator](): Generator<[worker: number, piece: Piece]> {
    for (let worker = this.#line.first; worker >= 0; worker = this.#line.after(worker))
      yield [worker, this.#pieces[worker] as Piece]; // who is in the line has one
  }
}

/** A cut may be so far from where work would be shared evenly, in parts of a piece; there, bytes count so much more. */
const SLACK = 0.5;
const FAR_COST = 3;
/** Where the last piece of a worker ended that had none. */
const NOWHERE = -1;
/** Pieces looked at for one that is to be halved. */
const VICTIMS = 64;

/** The pieces of one graph. */
export class Pieces {
  readonly cuts: OrderCuts;
  /** Pieces that nobody has, the last one first. */
  readonly free: Piece[] = [];
  /** By the index of the worker that has it. */
  readonly claims: Claims = new Claims();
  /** Ranks before this one were cut. */
  covered = 0;
  /** Workers that there were when it was cut. */
  workers = 0;
  /** Ranks up to here are to be cut next, together. */
  goal = 0;
  /** Workers, by index, whose next root finds no room. */
  readonly cramped: Set<number> = new Set();
  /** A worker with a free thread has no piece, and the order can go on. */
  isHungry = false;
  readonly #roots: RankSet;
  /** Where the last piece of a worker ended. */
  readonly #ends: number[] = [];

  constructor(roots: RankSet, cuts: OrderCuts) {
    this.#roots = roots;
    this.cuts = cuts;
  }

  /** Cut the ranks from `covered` up to `to` into `count` pieces or less, of about as much work each. */
  cut(to: number, count: number): void {
    const from = this.covered;
    this.covered = to;
    if (from < to) this.free.unshift(...this.#cutInto(from, to, count).reverse());
  }

  #cutInto(start: number, to: number, count: number): Piece[] {
    const { cuts } = this;
    const pieces: Piece[] = [];
    const first = cuts.from(start);
    const last = cuts.from(to);
    const begin = first < last ? cuts.work(first) : 0;
    const share = first < last ? (cuts.work(last - 1) - begin) / count : 0;
    let from = start;
    let at = first + 1;
    for (let i = 1; i < count && at < last; i++) {
      at = this.#best(at, last, { ideal: begin + i * share, slack: share * SLACK });
      if (at >= last) break;
      pieces.push({ from, to: cuts.rank(at) });
      from = cuts.rank(at++);
    }
    pieces.push({ from, to });
    return pieces;
  }

  /** There are more workers than there were: what is left is cut into `count` pieces, the largest ones most; who has one keeps its start. */
  cutAgain(count: number): void {
    const owned = Array.from(this.claims, ([worker, piece]) => ({
      worker,
      piece,
      work: this.#workOf(piece),
      parts: 1,
    }));
    const free = this.free.map((piece) => ({ worker: -1, piece, work: this.#workOf(piece), parts: 1 }));
    const all = [...owned, ...free];
    const bySize = new Heap<(typeof all)[number]>((a, b) => a.work * b.parts > b.work * a.parts);
    for (const each of all) bySize.push(each);
    for (let missing = count - all.length; missing > 0; missing--) {
      const largest = bySize.pop();
      if (!largest) return;
      largest.parts++;
      bySize.push(largest);
    }
    this.free.length = 0;
    for (const { worker, piece, parts } of all) {
      const cut = parts === 1 ? [piece] : this.#cutInto(piece.from, piece.to, parts);
      if (worker >= 0) this.claims.set(worker, cut.shift() as Piece); // there is one
      this.free.push(...cut);
    }
    this.free.sort((a, b) => b.from - a.from);
  }

  /** Work that is left of a piece, but for what follows its last root. */
  #workOf(piece: Piece): number {
    const { cuts } = this;
    const next = this.#roots.next(piece.from, piece.to);
    piece.from = next < 0 ? piece.to : next;
    const [first, last] = [cuts.from(piece.from), cuts.from(piece.to)];
    return first < last ? cuts.work(Math.min(last, cuts.count - 1)) - cuts.work(first) : 0;
  }

  /** Of the cuts about an ideal place the one that fewest bytes cross, and that is not far from it; the next one, if none is near. */
  #best(from: number, to: number, { ideal, slack }: { readonly ideal: number; readonly slack: number }): number {
    const { cuts } = this;
    let best = -1;
    let least = Number.POSITIVE_INFINITY;
    let at = from;
    for (; at < to && cuts.work(at) <= ideal + slack; at++) {
      const far = (cuts.work(at) - ideal) / slack;
      if (far < -1) continue;
      const cost = (cuts.bytes(at) + 1) * (1 + FAR_COST * far * far);
      if (cost >= least) continue;
      least = cost;
      best = at;
    }
    return best < 0 ? at : best;
  }

  /** The next root for a worker, by its rank; -1: it has no piece with one. */
  next(worker: number): number {
    const piece = this.claims.get(worker);
    if (!piece) return -1;
    const rank = this.#roots.next(piece.from, piece.to);
    if (rank >= 0) {
      piece.from = rank;
      return rank;
    }
    this.claims.delete(worker);
    while (this.#ends.length < worker) this.#ends.push(NOWHERE);
    this.#ends[worker] = piece.to;
    return -1;
  }

  /** Give a worker a piece that nobody has: the one behind its last, or the first; false when there is none. */
  claim(worker: number): boolean {
    if (this.free.length === 0) return false;
    const end = this.#ends[worker] ?? NOWHERE;
    const at = this.#placeOf(end);
    const isBehind = this.free[at]?.from === end;
    const piece = isBehind ? this.free.splice(at, 1)[0] : this.free.pop();
    this.claims.set(worker, piece as Piece); // there is one
    return true;
  }

  /** Number of the first free piece that does not begin behind a rank. */
  #placeOf(rank: number): number {
    let lo = 0;
    let hi = this.free.length;
    while (lo < hi) {
      const mid = (lo + hi) >> 1;
      if ((this.free[mid] as Piece).from > rank)
        lo = mid + 1; // mid < length
      else hi = mid;
    }
    return lo;
  }

  /** A worker takes no more: its piece is anybody's. */
  release(worker: number): void {
    if (worker < this.#ends.length) this.#ends[worker] = NOWHERE;
    this.cramped.delete(worker);
    const piece = this.claims.get(worker);
    if (!piece) return;
    this.claims.delete(worker);
    this.free.splice(this.#placeOf(piece.from), 0, piece);
  }

  /** Worker whose piece a rank lies in; -1: nobody's. */
  ownerOf(rank: number): number {
    for (const [worker, { from, to }] of this.claims) if (rank >= from && rank < to) return worker;
    return -1;
  }

  /**
   * Give a worker the far half of the largest piece, or all of it, where that is worth it.
   *
   * @param isWorth says so of a number of tasks that one worker would not have to run, and of the bytes that would move
   */
  split(worker: number, isWorth: (victim: number, tasks: number, bytes: number) => boolean): boolean {
    let victim = -1;
    let most = 0;
    let tries = 0;
    for (const [index, piece] of this.claims) {
      if (++tries > VICTIMS) break;
      const next = this.#roots.next(piece.from, piece.to);
      piece.from = next < 0 ? piece.to : next;
      if (piece.to - piece.from <= most) continue;
      most = piece.to - piece.from;
      victim = index;
    }
    const piece = this.claims.get(victim);
    if (!piece) return false;
    const { rank, bytes } = this.#middle(piece);
    if (!isWorth(victim, piece.to - rank, bytes)) return false;
    this.claims.set(worker, { from: rank, to: piece.to });
    piece.to = rank;
    return true;
  }

  /** Where to cut a piece that is under way. */
  #middle(piece: Piece): { readonly rank: number; readonly bytes: number } {
    const { cuts } = this;
    const first = cuts.from(piece.from);
    const last = cuts.from(piece.to);
    if (first >= last) return { rank: piece.from, bytes: 0 };
    const [begin, end] = [cuts.work(first), cuts.work(last - 1)];
    const share = (end - begin) / 2;
    const at = Math.min(last - 1, this.#best(first, last, { ideal: begin + share, slack: share * SLACK * 2 }));
    return { rank: cuts.rank(at), bytes: cuts.bytes(at) };
  }
}
