/** This machine's network interfaces. */
import { networkInterfaces } from "node:os";
import { ArgumentError } from "../base/index.ts";
import { parseAddress } from "../protocol/index.ts";

/** First IPv4 address of a network interface. @throws {ArgumentError} no such interface; lists those there are */
export function hostOfInterface(name: string): string {
  const all = networkInterfaces();
  const found = all[name]?.find(({ family }) => family === "IPv4") ?? all[name]?.[0];
  if (!found)
    throw new ArgumentError(
      `no network interface ${JSON.stringify(name)} with an address; there are ${Object.keys(all).join(", ")}`,
    );
  return found.address;
}

/** Whether a connection's two ends have one host: the same address, as Dask compares them, or one process. */
export function isSameHost(local: string, peer: string): boolean {
  const [near, far] = [parseAddress(local), parseAddress(peer)];
  return near.scheme === "inproc" || near.host === far.host;
}
