/** Reading flags that several commands share. */
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { ArgumentError } from "../base/index.ts";

/** A whole number, or undefined where there is no text. @throws {ArgumentError} the text is none */
export function wholeNumber(text: string | undefined, flag: string): number | undefined {
  if (text === undefined) return undefined;
  const n = Number(text);
  if (text.trim() === "" || !Number.isInteger(n) || n < 0)
    throw new ArgumentError(`${flag} ${JSON.stringify(text)} is not a whole number`);
  return n;
}

/** Write this process's id into a file, until the process ends. */
export function writePidFile(file: string): void {
  writeFileSync(file, `${process.pid}\n`);
  process.once("exit", () => rmSync(file, { force: true }));
}

/** Address in a scheduler file. @throws {ArgumentError} it cannot be read or names none */
export function addressInFile(file: string): string {
  let address: unknown;
  try {
    address = (JSON.parse(readFileSync(file, "utf8")) as { address?: unknown }).address;
  } catch (cause) {
    throw new ArgumentError(
      `scheduler file ${file} cannot be read: ${cause instanceof Error ? cause.message : String(cause)}`,
      { cause },
    );
  }
  if (typeof address !== "string") throw new ArgumentError(`scheduler file ${file} names no address`);
  return address;
}
