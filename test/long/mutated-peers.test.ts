/** 10,000 mutated messages to a running scheduler and to a running worker, and as many mutated values. */
process.env["RSDAT_MUTATIONS"] ??= "10000";
await import("../scheduler/mutated.test.ts");
await import("../worker/mutated.test.ts");
await import("../protocol/mutated-values.test.ts");

export {};
