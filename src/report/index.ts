/**
 * Room: report. What a person sees of a run: progress, and figures at the end.
 * In: progress of runs. Out: text on a stream. Called by front doors, examples and the command line, never by rooms that run.
 * Imports: base, graph, client (types).
 * @module
 */
export { accountingText, appendAccounting } from "./accounting.ts";
export { processPeakBytes } from "./peak.ts";
export type { ProgressBar, ProgressOptions, ProgressSink } from "./progress.ts";
export { barText, lineText, progressBar } from "./progress.ts";
export type { WatchOptions } from "./watch.ts";
export { progress } from "./watch.ts";
