/** What every scheduler could make something of, of the options that say how tasks run. */
import { ArgumentError, shownValue } from "../base/index.ts";
import type { RunOptions } from "./runner.ts";

/**
 * Told here, since a scheduler would order by what is no number, or wait for ever for a worker that has it.
 * @throws {ArgumentError} a priority, retries or resources that are no such numbers
 */
export function checkRunOptions(
  call: string,
  { priority, retries, resources }: Pick<RunOptions, "priority" | "retries" | "resources">,
): void {
  if (priority !== undefined && !Number.isFinite(priority))
    throw new ArgumentError(`${call}: priority ${shownValue(priority)} is not a number`);
  if (retries !== undefined && !(Number.isInteger(retries) && retries >= 0))
    throw new ArgumentError(`${call}: retries ${shownValue(retries)} is not a whole number, 0 or more`);
  if (resources === undefined) return;
  if (typeof resources !== "object" || resources === null)
    throw new ArgumentError(`${call}: resources ${shownValue(resources)}: expected amounts by name, { GPU: 1 }`);
  for (const [name, amount] of Object.entries(resources))
    if (!(Number.isFinite(amount) && amount >= 0))
      throw new ArgumentError(`${call}: resources of ${name}: ${shownValue(amount)} is not a number, 0 or more`);
}
