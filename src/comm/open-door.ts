/** What a listener without encryption lets others do, said in one line where others reach it. */
import type { Logger } from "../base/index.ts";
import { parseAddress } from "../protocol/index.ts";

/** Of a listener. */
export interface OpenDoor {
  /** Interface that is listened on. */
  readonly host: string;
  /** As peers are told it. */
  readonly address: string;
  /** What anybody who reaches the port can do: "read the data". */
  readonly allows: string;
}

/** One warning, unless the listener is encrypted or on loopback. */
export function warnOfOpenDoor(logger: Logger, { host, address, allows }: OpenDoor): void {
  if (parseAddress(address).scheme !== "tcp" || isLoopback(host)) return;
  logger.warning(
    `${address} is not encrypted: anybody who reaches this port can ${allows}; set distributed.comm.tls and use --protocol tls, or listen on loopback`,
  );
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
