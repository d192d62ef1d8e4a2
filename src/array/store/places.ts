/** Where writes put things, and that two writes of one graph do not put them in the same place. */
import { OverlappingWriteError } from "../../base/index.ts";

/** A file or store that a write makes anew, or with `name` an array of a store that stays. */
export interface WritePlace {
  readonly url: string;
  readonly name: string | null;
}

/**
 * Refuse a graph in which two tasks would write the same object: one of the writes would be lost without a word.
 * @throws {OverlappingWriteError} two writes of one file, store or array
 */
export function requireApart(places: readonly WritePlace[]): void {
  places.forEach((place, k) => {
    const other = places.slice(0, k).find((each) => overlap(each, place));
    if (other === undefined) return;
    const [first, second] = [other, place].map(({ url, name }) =>
      name === null ? url : `array ${JSON.stringify(name)} of ${url}`,
    );
    throw new OverlappingWriteError(
      `${first === second ? `two writes of ${first}` : `writes of ${first} and of ${second}`} in one graph: compute them one after the other, or join what they write`,
      { details: { url: place.url, name: place.name } },
    );
  });
}

function overlap(a: WritePlace, b: WritePlace): boolean {
  const [at, to] = [a, b].map(({ url }) => `${url.replace(/\/+$/, "")}/`) as [string, string]; // two of them
  if (a.name !== null && b.name !== null) return at === to && a.name === b.name;
  return (a.name === null && to.startsWith(at)) || (b.name === null && at.startsWith(to));
}
