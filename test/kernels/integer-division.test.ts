import { expect, test } from "vitest";
import type { BinaryOp } from "../../src/graph/index.ts";
import { runMap } from "../../src/kernels/index.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { NDArray } from "../../src/ndarray/index.ts";
import { elementsAt, resetSegments } from "./layouts.ts";

const SMALL = [-(2n ** 31n), 1n - 2n ** 31n, -1000n, -7n, -3n, -1n, 0n, 1n, 2n, 3n, 7n, 65536n, 2n ** 31n - 1n];
const LARGE = [-(2n ** 63n), -(2n ** 31n) - 1n, 2n ** 31n, 2n ** 53n + 1n, 2n ** 63n - 1n];

/** NumPy's rules, in integers without bounds. */
function expected(op: string, a: bigint, b: bigint): bigint {
  if (b === 0n) return 0n;
  const [q, r] = [a / b, a % b];
  const adjusts = r !== 0n && r < 0n !== b < 0n;
  if (op === "fmod") return r;
  return op === "mod" ? (adjusts ? r + b : r) : adjusts ? q - 1n : q;
}

function pairs(values: readonly bigint[]): [bigint, bigint][] {
  return values.flatMap((a) => values.map((b): [bigint, bigint] => [a, b]));
}

test.each(["int64", "uint64"] as const)(
  "division of %s: small numbers, large ones, and both in one vector",
  (dtype) => {
    const isSigned = dtype === "int64";
    const of = (v: bigint): bigint => (isSigned ? BigInt.asIntN(64, v) : BigInt.asUintN(64, v));
    const small = pairs(isSigned ? SMALL : SMALL.filter((v) => v >= 0n));
    const mixed = pairs([...SMALL, ...LARGE].map(of));
    const cases = [...small, ...small, ...small, ...mixed, ...small];
    while (cases.length < 1021) cases.push([7n, 3n]);
    for (const op of ["floordiv", "mod", "fmod"] as const satisfies readonly BinaryOp[]) {
      resetSegments();
      const block = (pick: 0 | 1): NDArray => {
        const data = elementsAt(0, dtype, cases.length) as BigInt64Array;
        cases.forEach((c, i) => {
          data[i] = c[pick];
        });
        return new NDArray(dtype, data, [cases.length]);
      };
      const k = new CallBuilder();
      const call = k.build([k.binary(op, k.input(dtype), k.input(dtype))]);
      const out = new NDArray(dtype, elementsAt(0, dtype, cases.length), [cases.length]);
      runMap(call, [block(0), block(1)], [out], [cases.length]);
      const got = [...(out.data as BigInt64Array)];
      expect(got).toEqual(cases.map(([a, b]) => of(expected(op, a, b))));
    }
  },
);
