/** 2,000 seeds of each simulation of the whole cluster. */
process.env["RSDAT_SIM_RUNS"] ??= "2000";
await import("../sim/scheduler.sim.ts");

export {};
