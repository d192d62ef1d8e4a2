/** Twenty minutes of mixed work for one scheduler. */
process.env["RSDAT_SOAK_S"] ??= "1200";
await import("../e2e/soak.test.ts");

export {};
