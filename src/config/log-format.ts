/** Lines of logs as `distributed.admin.log-format` wants them: Python's `%(name)s`, with widths. */

/** One record of a log, by the names that Python's `logging` has for its parts. */
export interface LogParts {
  readonly asctime: string;
  readonly name: string;
  readonly levelname: string;
  readonly message: string;
}

/** Dask's default. */
export const LOG_FORMAT = "%(asctime)s - %(name)s - %(levelname)s - %(message)s";
/** `%(name)s`, `%(levelname)-8s`, `%(message).80s`, or `%%`. */
const FIELD = /%(?:%|\((\w+)\)(-?)(\d*)(?:\.(\d+))?s)/g;

/** One line; names that a record here does not have stay as they are. */
export function logLine(format: string, parts: LogParts): string {
  return format.replace(FIELD, (whole: string, name?: string, left?: string, width?: string, longest?: string) => {
    if (whole === "%%") return "%";
    if (name === undefined || !Object.hasOwn(parts, name)) return whole;
    const text = parts[name as keyof LogParts].slice(0, longest === undefined ? undefined : Number(longest)); // one of its own
    return left === "-" ? text.padEnd(Number(width)) : text.padStart(Number(width));
  });
}
