/**
 * Room: base. Errors, invariants, heaps, units, seeded random, and the types of injected powers.
 * In: nothing. Out: plain values and functions. Pure: no I/O, no clock, no randomness of its own.
 * Imports: nothing.
 * @module
 */
export * from "./errors.ts";
export { Heap } from "./heap.ts";
export { inspectAsText } from "./inspect.ts";
export { escapeXml } from "./markup.ts";
export { moduleUrl } from "./module-url.ts";
export { nearestName } from "./nearest.ts";
export type { OptionNames } from "./option-names.ts";
export { requireKnownOptions } from "./option-names.ts";
export type { Clock, CommSettings, Logger, LogLevel, Security, TlsIdentity } from "./ports.ts";
export { silentLogger } from "./ports.ts";
export type { Random } from "./random.ts";
export { seededRandom } from "./random.ts";
export { shownKind, shownValue } from "./shown-value.ts";
export { formatBytes, formatDuration, LONGEST_TIMER_MS, parseBytes, parseDurationMs, parseTimeoutMs } from "./units.ts";
export type { WarningName, WarningSink } from "./warnings.ts";
export { onWarning, warnOnce } from "./warnings.ts";
