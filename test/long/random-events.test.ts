/** 3,000 seeds of random events for the scheduler's machine, 5,000 for the worker's. */
process.env["RSDAT_EVENT_SEEDS"] ??= "3000";
await import("../scheduler/state/machine.prop.test.ts");
process.env["RSDAT_EVENT_SEEDS"] = String(Math.ceil((Number(process.env["RSDAT_EVENT_SEEDS"]) * 5) / 3));
await import("../worker/state/machine.prop.test.ts");

export {};
