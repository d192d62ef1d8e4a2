/** Which cases a row has: every call on the chosen dtypes, inputs and cuts. */
import * as namespace from "../../../src/array/index.ts";
import type { DType } from "../../../src/dtype/index.ts";
import { type Call, REAL, type Row } from "./row.ts";
import { CUTTINGS, type Cutting, PROFILES, type Profile } from "./values.ts";

/** How much of the product to run: so many inputs per dtype and call, or all. */
export interface Extent {
  readonly inputs: number | "all";
}

/** One comparison. */
export interface Case {
  readonly row: Row;
  readonly call: Call;
  readonly dtypes: readonly DType[];
  readonly profile: Profile;
  readonly cutting: Cutting;
}

/** The namespace's functions by name; undefined when there is none. */
export function lookUp(name: string): ((...args: readonly unknown[]) => unknown) | undefined {
  let found: unknown = namespace;
  // a namespace within is a module object, a function the end of the path
  for (const part of name.split(".")) found = (found as Record<string, unknown> | undefined)?.[part];
  return typeof found === "function" ? (found as (...args: readonly unknown[]) => unknown) : undefined;
}

/** Spreads choices over a call's cases: the same for the same text, whatever else is in the table. */
function hash(text: string): number {
  let h = 2166136261;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 16777619) >>> 0;
  return h;
}

/** All cases of a row to the extent wanted. */
export function casesOf(row: Row, { inputs }: Extent): Case[] {
  const out: Case[] = [];
  for (const c of row.calls) {
    const profiles = PROFILES.filter((p) => c.profiles?.(p) ?? true);
    const pairs = profiles.flatMap((profile) =>
      CUTTINGS.filter((k) => k === "whole" || profile.shape.some((n) => n > 1)).map((cutting) => ({
        profile,
        cutting,
      })),
    );
    let turn = hash(`${row.name} ${c.id}`);
    for (const first of c.dtypes ?? REAL) {
      const seconds = c.other ? [...new Set([first, ...(c.otherDtypes ?? [])])] : [first];
      for (const second of seconds) {
        const dtypes = c.other ? [first, second] : [first];
        const chosen = inputs === "all" ? pairs : pick(pairs, inputs, turn);
        turn += inputs === "all" ? 0 : inputs;
        for (const p of chosen) out.push({ row, call: c, dtypes, ...p });
      }
    }
  }
  return out;
}

/** `count` of `list`, a step apart that visits all of them over the turns. */
function pick<T>(list: readonly T[], count: number, turn: number): T[] {
  const step = [7, 11, 13, 5, 3, 1].find((s) => list.length % s !== 0) ?? 1;
  return Array.from(
    { length: Math.min(count, list.length) },
    (_, i) => list[((turn + i) * step) % list.length] as T, // in range
  );
}
