/** Stacks of users' functions as their authors know them: places in the function's own text, without what runs it. */
import type { ErrorRecord } from "../base/index.ts";
import { BEFORE_TEXT } from "./steps-call.ts";

/** Lines that `new Function` puts above the text that it is given. */
const LINES_BEFORE = 2;

/** A place in a text that was compiled here, and the call of it. */
const PLACE = /\(?eval at compiled \([^()]*steps-call\.[jt]s:\d+:\d+\), <anonymous>:(\d+):(\d+)\)?/;
const CALL = /^\s+at callText \(.*steps-call\.[jt]s:\d+:\d+\)$/;

/** A user's error without frames of ours, also in its causes; one that has no frame of the user's keeps what it has. */
export function withUserStack(record: ErrorRecord): ErrorRecord {
  const { stack, cause } = record;
  return {
    ...record,
    ...(stack === undefined ? {} : { stack: userStack(stack) }),
    ...(cause === undefined ? {} : { cause: withUserStack(cause) }),
  };
}

function userStack(stack: string): string {
  const lines = stack.split("\n");
  const last = lines.findLastIndex((line) => PLACE.test(line));
  if (last < 0) return stack;
  const call = lines.findIndex((line) => CALL.test(line));
  return lines
    .slice(0, call > last ? call : last + 1)
    .map(inText)
    .join("\n");
}

/** A function without a name is one of V8's `eval`. */
function inText(line: string): string {
  const placed = line.replace(PLACE, (_, row: string, column: string) => {
    const inFunction = Number(row) - LINES_BEFORE;
    return `(<function>:${inFunction}:${Number(column) - (inFunction === 1 ? BEFORE_TEXT.length : 0)})`;
  });
  return placed.replace(/\beval \((<function>:\d+:\d+)\)$/, "$1");
}
