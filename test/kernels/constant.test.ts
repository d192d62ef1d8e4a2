/** Kernels whose values do not depend on any element: filled or stored, they are what the interpreter says, and nothing more is written. */
import { describe, expect, it } from "vitest";
import { DTYPES, type DType } from "../../src/dtype/index.ts";
import { createSegment, interpretMap } from "../../src/kernels/index.ts";
import { compileFrom } from "../../src/kernels/map/engine.ts";
import { CallBuilder } from "../../src/kernels/map/ir.ts";
import { runMap } from "../../src/kernels/map/map.ts";
import { NDArray } from "../../src/ndarray/index.ts";

const { buffer, start } = createSegment(1 << 16);

/** Values of which all bytes are alike, and others. */
const VALUES: Readonly<Record<string, readonly number[]>> = {
  bool: [0, 1],
  uint8: [0, 7],
  int16: [0, -1, 257, 3],
  uint16: [0x0707, 0x0708],
  int32: [0, -1, 0x01010101, 5],
  float32: [0, -0, 1.5, Number.NaN],
  float64: [0, -0, 1.5, Number.NaN],
};

function bytesAround(block: NDArray): Uint8Array {
  return new Uint8Array(block.data.buffer, block.data.byteOffset - 64, block.data.byteLength + 128);
}

describe("a constant", () => {
  for (const [name, values] of Object.entries(VALUES))
    it(`of ${name} fills its block and no more`, () => {
      const dtype = name as DType; // names of the record
      const before = compileFrom.elements;
      compileFrom.elements = 0;
      try {
        for (const value of values)
          for (const n of [1, 17, 64, 1003]) {
            const b = new CallBuilder();
            const call = b.build([b.param(value, dtype)]);
            const out = NDArray.view(dtype, buffer, start + 4096, [n]);
            bytesAround(out).fill(0xa5);
            runMap(call, [], [out], [n]);
            const want = NDArray.zeros(dtype, [n]);
            interpretMap(call, [], [want], [n]);
            const nbytes = n * DTYPES[dtype].itemsize;
            const got = bytesAround(out);
            expect(got.slice(64, 64 + nbytes)).toEqual(new Uint8Array(want.data.buffer, 0, nbytes));
            expect([...got.slice(0, 64), ...got.slice(64 + nbytes)].every((byte) => byte === 0xa5)).toBe(true);
          }
      } finally {
        compileFrom.elements = before;
      }
    });

  it("is stored beside another whose bytes differ, in rows and with steps", () => {
    const b = new CallBuilder();
    const call = b.build([b.param(0, "float32"), b.param(2, "float32")]);
    const shape = [20, 40];
    const at = (k: number, stride: readonly number[]): NDArray =>
      new NDArray("float32", NDArray.view("float32", buffer, start + k * 16384, [4000]).data, shape, stride);
    const [zeros, twos] = [at(0, [100, 1]), at(1, [100, 2])];
    for (const x of [zeros, twos]) x.data.fill(9 as never); // floats
    runMap(call, [], [zeros, twos], shape);
    const seen = (x: NDArray): number[] => [...(x.data as Float32Array)]; // float32
    const want = (value: number, step: number): number[] =>
      Array.from({ length: 4000 }, (_, i) => (i < 2000 && i % 100 < 40 * step && (i % 100) % step === 0 ? value : 9));
    expect(seen(zeros)).toEqual(want(0, 1));
    expect(seen(twos)).toEqual(want(2, 2));
  });
});
