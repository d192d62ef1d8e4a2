/** What the configuration says about a scheduler: `distributed.scheduler`. */
import { ConfigError } from "../base/index.ts";
import { type Config, config, storyLength } from "../config/index.ts";
import type { SchedulerConfig } from "./state/index.ts";

/** Limits of the machine. */
type MachineSettings = Omit<SchedulerConfig, "runSpecOf" | "failureOf">;

/** Dask's default, under which tasks are sent ahead by the time that they take. */
const SATURATION_DEFAULT = 1.1;

/** @throws {ConfigError} a setting is not what it should be */
export function machineSettings(from: Config = config): MachineSettings {
  const saturationKey = "distributed.scheduler.worker-saturation";
  const saturation = aboveZero(saturationKey, from.number(saturationKey, { isInfinite: true }));
  const bandwidthKey = "distributed.scheduler.bandwidth";
  const ttlMs = from.durationMs("distributed.scheduler.worker-ttl");
  return {
    allowedFailures: from.number("distributed.scheduler.allowed-failures") ?? 3,
    workerTtlMs: ttlMs || Number.POSITIVE_INFINITY, // as in Dask, 0 is never
    noWorkersTimeoutMs: from.durationMs("distributed.scheduler.no-workers-timeout"),
    bandwidth: aboveZero(bandwidthKey, from.bytes(bandwidthKey)) ?? 1e8,
    stealing: from.boolean("distributed.scheduler.work-stealing") ?? true,
    storyLength: storyLength(from),
    saturation: saturation === SATURATION_DEFAULT ? null : saturation,
  };
}

/** @throws {ConfigError} the value is 0 or less */
function aboveZero(key: string, value: number | null): number | null {
  if (value === null || value > 0) return value;
  throw new ConfigError(`configuration ${key} is ${value}, expected a number above 0`, { details: { key, value } });
}

/** Groups of pages, by the names that Dask gives to the modules that serve them. */
export type PageGroup = "health" | "prometheus" | "json" | "info";

/** Groups that are served; routes of Dask's that have no pages here are passed over. */
export function pageGroups(from: Config = config): ReadonlySet<PageGroup> {
  const groups: readonly PageGroup[] = ["health", "prometheus", "json", "info"];
  const routes = from.texts("distributed.scheduler.http.routes");
  return new Set(groups.filter((group) => routes.some((route) => route.split(".").at(-1) === group)));
}
