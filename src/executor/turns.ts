/** Work that is done one after the other. */
export class Turns {
  #last: Promise<unknown> = Promise.resolve();

  /** Begin when all that came before has ended, however it did. */
  run<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#last.then(work);
    this.#last = done.catch(() => undefined);
    return done;
  }
}
