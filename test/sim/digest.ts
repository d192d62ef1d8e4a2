/** Digests of simulated lives: what a change of the machines does to any of them is seen. */
import { live } from "./life.ts";

/** Lives in one digest. */
export const BLOCK = 10;

/** Digest of the lives of a block of seeds. */
export function digestOfBlock(block: number): string {
  let digest = 0x811c9dc5;
  for (let seed = block * BLOCK + 1; seed <= (block + 1) * BLOCK; seed++) {
    const { digest: trace, virtualMs, executed, delivered } = live(seed);
    for (const part of [trace, Math.round(virtualMs * 1000), executed, delivered])
      digest = Math.imul(digest ^ part, 0x01000193) ^ (digest >>> 15);
  }
  return (digest >>> 0).toString(16).padStart(8, "0");
}

/** The committed record of a long run: docs/sim-digest.json. */
export interface DigestRecord {
  readonly commit: string;
  readonly command: string;
  readonly seeds: string;
  readonly seconds: number;
  /** One for each block of ten seeds. */
  readonly blocks: readonly string[];
}
