/** The name that somebody may have meant. */

/** Letters that differ at the most between a name and what it was mistyped as. */
const DISTANCE_MAX = 4;

/** The closest of `names` to `name`, whatever the case of letters, or null when none is close. */
export function nearestName(name: string, names: Iterable<string>): string | null {
  let best: string | null = null;
  let least = Math.min(DISTANCE_MAX, Math.ceil(name.length / 3)) + 1;
  for (const other of names) {
    const distance = editDistance(name, other);
    if (distance >= least) continue;
    best = other;
    least = distance;
  }
  return best;
}

/** Insertions, deletions and replacements between two texts (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] as number) + (a[i - 1]?.toLowerCase() === b[j - 1]?.toLowerCase() ? 0 : 1); // rows are b.length + 1 long
      next.push(Math.min(replaced, (row[j] as number) + 1, (next[j - 1] as number) + 1)); // and filled up to here
    }
    row = next;
  }
  return row[b.length] as number;
}
