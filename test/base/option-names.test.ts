import { expect, test } from "vitest";
import { nearestName, requireKnownOptions } from "../../src/base/index.ts";

test("nearest names, by hand", () => {
  expect(nearestName("memmory", ["cores", "memory", "walltime"])).toBe("memory");
  expect(nearestName("patition", ["partition", "name", "interface"])).toBe("partition");
  expect(nearestName("allow_other_workers", ["workers", "allowOtherWorkers"])).toBe("allowOtherWorkers");
  expect(nearestName("NWORKERS", ["nWorkers"])).toBe("nWorkers");
  expect(nearestName("frobnicate", ["workers", "mode"])).toBe(null);
});

test("a name that is none is told with the nearest one and all that there are; none given is none wrong", () => {
  const names = { mode: true, chunks: true } as const;
  const given = { mode: 1, chunk: 2 } as object as { mode?: number; chunks?: number };
  expect(() => requireKnownOptions("toZarr", given, names)).toThrow(
    expect.objectContaining({
      code: "argument",
      message: 'toZarr has no option "chunk"; did you mean "chunks"? It takes mode, chunks',
      details: { option: "chunk", nearest: "chunks", accepted: ["mode", "chunks"] },
    }),
  );
  const far = { toString: 1 } as object as typeof given;
  expect(() => requireKnownOptions("toZarr", far, names)).toThrow('toZarr has no option "toString"; it takes');
  requireKnownOptions("toZarr", {}, names);
  const none = null as unknown as typeof given; // as from plain JavaScript
  expect(() => requireKnownOptions("toZarr", none, names)).toThrow("toZarr: options are an object, not null");
});
