/** `distributed.admin.event-loop`: Node has one event loop; Dask's names are taken, and others refused as Dask refuses them. */
import { ConfigError } from "../base/index.ts";
import { type Config, config } from "./config.ts";

const KEY = "distributed.admin.event-loop";
const LOOPS: readonly string[] = ["asyncio", "tornado", "uvloop"];

/** @throws {ConfigError} a name that is none of Dask's. Source: distributed `get_loop_factory` */
export function checkEventLoop(from: Config = config): void {
  const name = from.text(KEY);
  if (name === null || !LOOPS.includes(name))
    throw new ConfigError(`configuration ${KEY} is ${JSON.stringify(name)}, expected one of ${LOOPS.join(", ")}`);
}
