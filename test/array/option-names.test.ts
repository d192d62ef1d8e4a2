/** Options that a function does not know are mistakes, and are told by name: none is passed over. */
import { describe, expect, test } from "vitest";
import * as da from "../../src/array/index.ts";

const { fft, linalg, random } = da;

const line = da.arange(6, { dtype: "float64", chunks: 6 });
const square = da.eye(3).add(1);
const ints = da.arange(4, { chunks: 4 });
/** As a caller who mistypes gives them. */
// biome-ignore lint/suspicious/noExplicitAny: the compiler would refuse each of these calls
const wrong: any = { bogusOption: 1 };
const identity = (x: unknown): unknown => x;

const CALLS: Readonly<Record<string, () => unknown>> = {
  // Transforms.
  "fft.fft": () => fft.fft(line, wrong),
  "fft.ifft": () => fft.ifft(line, 4, wrong),
  "fft.rfft": () => fft.rfft(line, wrong),
  "fft.irfft": () => fft.irfft(line, wrong),
  "fft.hfft": () => fft.hfft(line, wrong),
  "fft.ihfft": () => fft.ihfft(line, wrong),
  "fft.fftn": () => fft.fftn(square, wrong),
  "fft.ifft2": () => fft.ifft2(square, wrong),
  "fft.rfftn": () => fft.rfftn(square, wrong),
  "fft.irfft2": () => fft.irfft2(square, wrong),
  "fft.fftfreq": () => fft.fftfreq(4, wrong),
  "fft.rfftfreq": () => fft.rfftfreq(4, wrong),
  "fft.fftshift": () => fft.fftshift(line, wrong),
  "fft.ifftshift": () => fft.ifftshift(line, wrong),
  // Linear algebra.
  "linalg.diagonal": () => linalg.diagonal(square, wrong),
  "linalg.trace": () => linalg.trace(square, wrong),
  "linalg.svdCompressed": () => linalg.svdCompressed(square, 1, wrong),
  "linalg.solveTriangular": () => linalg.solveTriangular(square, line.slice([0, 3]), wrong),
  "linalg.cholesky": () => linalg.cholesky(square, wrong),
  "linalg.qr": () => linalg.qr(square, wrong),
  "linalg.svd": () => linalg.svd(square, wrong),
  "linalg.eigh": () => linalg.eigh(square, wrong),
  "linalg.eigvalsh": () => linalg.eigvalsh(square, wrong),
  "linalg.matrixRank": () => linalg.matrixRank(square, wrong),
  "linalg.pinv": () => linalg.pinv(square, wrong),
  "linalg.lstsq": () => linalg.lstsq(square, line.slice([0, 3]), wrong),
  "linalg.vectorNorm": () => linalg.vectorNorm(line, wrong),
  "linalg.matrixNorm": () => linalg.matrixNorm(square, wrong),
  "linalg.norm": () => linalg.norm(square, wrong),
  "linalg.norm, order first": () => linalg.norm(square, 2, wrong),
  "linalg.cross": () => linalg.cross(line.slice([0, 3]), line.slice([0, 3]), wrong),
  tensordot: () => da.tensordot(square, square, wrong),
  vecdot: () => da.vecdot(line, line, wrong),
  trace: () => da.trace(square, 0, wrong),
  // Shapes.
  rechunk: () => da.rechunk(line, 2, wrong),
  pad: () => da.pad(line, 1, wrong),
  reshapeBlockwise: () => da.reshapeBlockwise(line, 6, wrong),
  broadcastTo: () => da.broadcastTo(line, [2, 6], wrong),
  ravelMultiIndex: () => da.ravelMultiIndex([ints], [4], wrong),
  // Order and counts.
  searchsorted: () => da.searchsorted(line, line, wrong),
  digitize: () => da.digitize(line, [0, 1], wrong),
  bincount: () => da.bincount(ints, wrong),
  histogram: () => da.histogram(line, wrong),
  histogramdd: () => da.histogramdd([line, line], wrong),
  histogram2d: () => da.histogram2d(line, line, wrong),
  unique: () => da.unique(line, wrong),
  // Functions of users.
  mapBlocks: () => da.mapBlocks(identity as never, line, wrong),
  mapOverlap: () => da.mapOverlap(identity as never, line, { depth: 1, ...wrong }),
  overlap: () => da.overlap(line, 1, "none", wrong),
  blockwise: () => da.blockwise(identity, "i", line, "i", wrong),
  applyGufunc: () => da.applyGufunc(identity, "(i)->(i)", line, wrong),
  asGufunc: () => da.asGufunc("(i)->(i)", wrong),
  applyAlongAxis: () => da.applyAlongAxis(identity, 0, line, wrong),
  frompyfunc: () => da.frompyfunc(identity, 1, 1, wrong),
  // Statistics.
  average: () => da.average(line, 0, wrong),
  ptp: () => da.ptp(line, 0, wrong),
  moment: () => da.moment(line, 2, 0, wrong),
  cov: () => da.cov(square, null, wrong),
  corrcoef: () => da.corrcoef(square, null, wrong),
  coarsen: () => da.coarsen("mean", line, { 0: 2 }, wrong),
  choose: () => da.choose(ints, [line], wrong),
  angle: () => da.angle(line, wrong),
  // Others.
  visualize: () => da.visualize(line, wrong),
  fromZarr: () => da.fromZarr("memory://nothing", wrong),
  store: () => da.store(line, { set: () => undefined }, wrong),
};

test.each(Object.entries(CALLS))("%s", async (_name, call) => {
  // Some give a promise.
  await expect((async () => call())()).rejects.toMatchObject({
    code: "argument",
    message: expect.stringContaining('has no option "bogusOption"'),
  });
});

describe("random", () => {
  /** Arguments in front of the options. */
  const FIRST: Readonly<Record<string, readonly unknown[]>> = {
    standardGamma: [1, 2],
    gamma: [1, 2],
    chisquare: [1, 2],
    standardT: [1, 2],
    pareto: [1, 2],
    weibull: [1, 2],
    power: [1, 2],
    geometric: [0.5, 2],
    choice: [4, 2],
    permutation: [4],
  };
  /** Options that a distribution needs. */
  const NEEDED = { a: 1, b: 1, dfnum: 1, dfden: 1, left: 0, mode: 1, right: 2, n: 1, p: 0.5, high: 4 };
  const METHODS = Object.getOwnPropertyNames(Object.getPrototypeOf(random.defaultRng(1))).filter(
    (name) => name !== "constructor",
  );

  test.each(METHODS)("%s", (name) => {
    // Every method of the generator, by its name.
    const generator = random.defaultRng(1) as unknown as Record<string, (...args: unknown[]) => unknown>;
    const draw = generator[name]?.bind(generator);
    expect(() => draw?.(...(FIRST[name] ?? [2]), { ...NEEDED, bogusOption: 1 })).toThrow(/ has no option "/);
  });

  test("options that others have are none here", () => {
    const generator = random.defaultRng(1);
    expect(() => generator.normal(2, { loc: 0, ...{ sigma: 1 } })).toThrow('normal has no option "sigma"');
    expect(generator.normal(2, { loc: 1, scale: 2, chunks: 1 }).shape).toEqual([2]);
    expect(generator.beta(2, { a: 1, b: 2, chunks: 1 }).shape).toEqual([2]);
  });
});
