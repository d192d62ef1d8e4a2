/** What a client wants, by key: keys that end in digits stand in columns, as they come and go; the others are texts. */
import { endsInDigits, type Key, KeyColumn, type KeyStore, KeyTable } from "../graph/index.ts";
import { Watch } from "./watch.ts";

/** Watches by key. One that nobody wants any more stays until that is said: see {@link Watches.takeReleased}. */
export class Watches implements KeyStore {
  readonly #texts = new Map<Key, Watch>();
  readonly #table = new KeyTable(this);
  /** Those of columns, by their number in the table. */
  readonly #list: (Watch | undefined)[] = [];
  readonly #free: number[] = [];
  #released: Watch[] = [];

  /** The watch of a key that somebody wants. */
  get(key: Key): Watch | undefined {
    return wanted(this.#find(key));
  }

  /** The same of key `index` of a column. */
  at(keys: KeyColumn, index: number): Watch | undefined {
    return wanted(keys.hasTexts ? this.#find(keys.at(index)) : this.#findAt(keys, index));
  }

  /** There will be so many more keys that end in digits. */
  reserve(count: number): void {
    this.#table.reserve(count);
  }

  /** A new watch of a key that is not wanted, or was cancelled. */
  begin(key: Key): Watch {
    if (endsInDigits(key)) return this.beginAt(KeyColumn.of([key]), 0);
    const watch = new Watch(key);
    this.add(watch);
    return watch;
  }

  /** The same of key `index` of a column. */
  beginAt(keys: KeyColumn, index: number): Watch {
    if (keys.hasTexts) return this.begin(keys.at(index));
    const hash = keys.hashAt(index);
    return this.#beginAt(keys, { index, hash, former: this.#findAt(keys, index, hash) });
  }

  /** The watch of key `index` of a column that ends in digits; a new one if it is not wanted, or was cancelled. */
  want(keys: KeyColumn, index: number): Watch {
    const hash = keys.hashAt(index);
    const former = this.#findAt(keys, index, hash);
    if (former && !former.isReleased && former.status !== "cancelled") return former;
    return this.#beginAt(keys, { index, hash, former });
  }

  #beginAt(
    keys: KeyColumn,
    { index, hash, former }: { readonly index: number; readonly hash: number; readonly former: Watch | undefined },
  ): Watch {
    const watch = new Watch(keys, index);
    if (former) {
      watch.place = former.place;
      former.place = -1;
      this.#list[watch.place] = watch;
      return watch;
    }
    const place = this.#free.pop() ?? this.#list.length;
    watch.place = place;
    this.#list[place] = watch;
    this.#table.add(place, hash);
    return watch;
  }

  /** Enter the watch of a block, which has a text for a key. */
  add(watch: Watch): void {
    const { key } = watch;
    const former = this.#texts.get(key);
    if (former) former.place = -1;
    watch.place = 0;
    this.#texts.set(key, watch);
  }

  /** Nobody wants it any more. */
  release(watch: Watch): void {
    watch.isReleased = true;
    this.#released.push(watch);
  }

  /** What nobody wants any more and was not said yet, unless somebody wanted it again. It is forgotten. */
  takeReleased(): Watch[] {
    const gone = this.#released.filter((watch) => this.isCurrent(watch));
    this.#released = [];
    for (const watch of gone) {
      const { place } = watch;
      if (watch.column === null) this.#texts.delete(watch.key);
      else {
        this.#table.delete(place);
        this.#list[place] = undefined;
        this.#free.push(place);
      }
      watch.place = -1;
    }
    return gone;
  }

  /** True when something is released that was not said. */
  get hasReleased(): boolean {
    return this.#released.length > 0;
  }

  /** True unless another one has taken its place: what was cancelled is begun anew. */
  isCurrent(watch: Watch): boolean {
    return watch.place >= 0;
  }

  /** All that somebody wants. */
  *all(): Generator<Watch, void, undefined> {
    for (const watch of this.#texts.values()) if (!watch.isReleased) yield watch;
    for (const watch of this.#list) if (watch && !watch.isReleased) yield watch;
  }

  /** Keys of those that are texts. */
  *texts(): Generator<Key, void, undefined> {
    for (const [key, watch] of this.#texts) if (!watch.isReleased) yield key;
  }

  hash(entry: number): number {
    const watch = this.#list[entry] as Watch; // in the table
    return (watch.column as KeyColumn).hashAt(watch.index); // of a column
  }

  is(entry: number, keys: KeyColumn, index: number): boolean {
    const watch = this.#list[entry] as Watch; // in the table
    return (watch.column as KeyColumn).equals(watch.index, keys, index); // of a column
  }

  #find(key: Key): Watch | undefined {
    const watch = this.#texts.get(key);
    if (watch || this.#table.size === 0 || !endsInDigits(key)) return watch;
    return this.#findAt(KeyColumn.of([key]), 0);
  }

  #findAt(keys: KeyColumn, index: number, hash: number = keys.hashAt(index)): Watch | undefined {
    const place = this.#table.size === 0 ? -1 : this.#table.find(keys, index, hash);
    return place < 0 ? undefined : this.#list[place];
  }
}

function wanted(watch: Watch | undefined): Watch | undefined {
  return watch?.isReleased ? undefined : watch;
}
