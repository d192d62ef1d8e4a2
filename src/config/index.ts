/**
 * Room: config. Dask's configuration system, what this process was allotted, the real clock, the default logger.
 * In: environment, YAML files, the kernel's files on limits. Out: typed settings, limits, a clock, a logger.
 * Imports: base.
 * @module
 */
export type { Limit, SystemFacts } from "./allotment.ts";
export { allottedCpus, allottedMemoryBytes, systemFacts } from "./allotment.ts";
export { commSettings } from "./comm.ts";
export { Config, computeThreads, config, memoryLimitBytes, storyLength } from "./config.ts";
export { debugOnError } from "./debug.ts";
export { speaksDialect } from "./dialect.ts";
export { filesWith, saveSetting, searchedPaths } from "./files.ts";
export type { KeptLogs, LogRecord } from "./kept-logs.ts";
export { keepLogs } from "./kept-logs.ts";
export type { ConfigValue } from "./literal.ts";
export { interpretValue } from "./literal.ts";
export { createLogger, levelFor, levelOf, systemClock } from "./logger.ts";
export type { LoopWatch } from "./loop-watch.ts";
export { watchLoop } from "./loop-watch.ts";
export type { Preloads } from "./preload.ts";
export { preload } from "./preload.ts";
export { ProcessFigures } from "./process-figures.ts";
export type { ConfigEntry, ConfigKind } from "./schema.ts";
export { SCHEMA } from "./schema.ts";
export type { SecurityOptions, SecurityRole } from "./security.ts";
export { securityFor } from "./security.ts";
export type { Environment } from "./sources.ts";
export type { SpillSetting, WorkerSpillSetting } from "./spill.ts";
export { spillSetting, workerSpillSetting } from "./spill.ts";
export type { MonitorInfo, MonitorSources } from "./system-monitor.ts";
export { SystemMonitor } from "./system-monitor.ts";
export { fillTemplate } from "./template.ts";
export { readToken } from "./token.ts";
export type { ConfigTree } from "./tree.ts";
export { expandVariables, mergeTrees } from "./tree.ts";
export { packageVersion } from "./version.ts";
