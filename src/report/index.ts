/**
 * Room: report. What a person sees of a run: progress, figures at the end, a page about all of it.
 * In: progress of runs. Out: text on a stream, a file. Called by front doors, examples and the command line, never by rooms that run.
 * Imports: base, config, graph, client (types).
 * @module
 */
export { accountingText, appendAccounting } from "./accounting.ts";
export { processPeakBytes } from "./peak.ts";
export type { PerformanceReportOptions } from "./performance.ts";
export { performanceReport } from "./performance.ts";
export type { ProgressBar, ProgressOptions, ProgressSink } from "./progress.ts";
export { barText, lineText, progressBar } from "./progress.ts";
export type { WatchOptions } from "./watch.ts";
export { progress } from "./watch.ts";
