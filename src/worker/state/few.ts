/** A set that mostly has no member or one: no memory of its own until it has two. */

const NONE: readonly never[] = [];

/** Members in the order in which they came. */
export class Few<T> {
  #one: T | null = null;
  #more: Set<T> | null = null;

  get size(): number {
    return this.#more !== null ? this.#more.size : this.#one === null ? 0 : 1;
  }

  has(item: T): boolean {
    return this.#more !== null ? this.#more.has(item) : this.#one === item;
  }

  add(item: T): void {
    if (this.#more !== null) this.#more.add(item);
    else if (this.#one === null) this.#one = item;
    else if (this.#one !== item) {
      this.#more = new Set([this.#one, item]);
      this.#one = null;
    }
  }

  delete(item: T): void {
    if (this.#more !== null) this.#more.delete(item);
    else if (this.#one === item) this.#one = null;
  }

  /** A member; undefined for an empty set. */
  first(): T | undefined {
    return this.#more !== null ? this.#more.values().next().value : (this.#one ?? undefined);
  }

  [Symbol.iterator](): Iterator<T> {
    if (this.#more !== null) return this.#more.values();
    return this.#one === null ? NONE.values() : [this.#one].values();
  }
}
