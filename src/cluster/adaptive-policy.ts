/** When a cluster grows, and which workers it lets go. Source: distributed `AdaptiveCore.recommendations`. Pure. */

/** What a cluster should do. */
export type Recommendation<W> =
  | { readonly status: "same" }
  | { readonly status: "up"; readonly n: number }
  | { readonly status: "down"; readonly workers: readonly W[] };

/** Recommends, and remembers how often each worker was superfluous in a row. */
export class AdaptivePolicy<W> {
  readonly #waitCount: number;
  readonly #closeCounts = new Map<W, number>();

  constructor(waitCount: number) {
    this.#waitCount = waitCount;
  }

  /**
   * @param planned workers that are wanted
   * @param waiting of those: asked for, and not there yet
   * @param toClose which of those that are there can go, down to a number
   */
  recommend(
    target: number,
    { planned, waiting }: { readonly planned: number; readonly waiting: readonly W[] },
    toClose: (target: number) => readonly W[],
  ): Recommendation<W> {
    if (target >= planned) {
      this.#closeCounts.clear();
      return target === planned ? { status: "same" } : { status: "up", n: target };
    }
    const close = new Set(waiting.slice(0, planned - target));
    if (target < planned - close.size) for (const worker of toClose(target)) close.add(worker);
    const firm: W[] = [];
    for (const worker of close) {
      const count = (this.#closeCounts.get(worker) ?? 0) + 1;
      this.#closeCounts.set(worker, count);
      if (count >= this.#waitCount) firm.push(worker);
    }
    for (const worker of [...this.#closeCounts.keys()])
      if (firm.includes(worker) || !close.has(worker)) this.#closeCounts.delete(worker);
    return firm.length > 0 ? { status: "down", workers: firm } : { status: "same" };
  }
}
