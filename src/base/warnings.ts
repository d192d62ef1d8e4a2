/** Warnings that users must see (api.md §15): told once per place in the user's source, to whoever a front door names. */

/** Names of warnings. */
export type WarningName = "UnsignedWrapWarning" | "CastWarning" | "PerformanceWarning";

/** Takes warnings as they come. */
export type WarningSink = (name: WarningName, message: string) => void;

let sink: WarningSink | null = null;
const told = new Set<string>();

/** Send warnings to `to`, null for nobody; gives what was set before. */
export function onWarning(to: WarningSink | null): WarningSink | null {
  const before = sink;
  sink = to;
  return before;
}

/** Folder of the library's own modules: frames from there are not the user's. */
const OWN = new URL("..", import.meta.url);

/** First line of the stack that is not ours. */
function callSite(): string {
  const lines = (new Error().stack ?? "").split("\n").slice(1);
  return lines.find((line) => !line.includes(OWN.href) && !line.includes(OWN.pathname))?.trim() ?? "";
}

/** Warn, unless this place has been told the same before. */
export function warnOnce(name: WarningName, message: string): void {
  const site = callSite();
  const key = `${name} ${site}`;
  if (told.has(key)) return;
  told.add(key);
  sink?.(name, site === "" ? message : `${message} (${site})`);
}
