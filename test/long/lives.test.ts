/** All simulated lives of docs/sim-digest.json, and the policy gates of large clusters too. */
process.env["RSDAT_DIGEST_BLOCKS"] ??= "1000";
process.env["RSDAT_POLICY_WORKERS"] ??= "100";
await import("../sim/digest.test.ts");
await import("../sim/policy.test.ts");

export {};
