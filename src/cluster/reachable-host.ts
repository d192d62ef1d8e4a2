/** Which address of this machine others can reach. */
import { createSocket } from "node:dgram";
import { networkInterfaces } from "node:os";

/** Peers that are tried. */
const PEERS_MAX = 3;

/**
 * This machine's address on the way to one of `peers`, as its routes say; nothing is sent. Without any such way: the first
 * address that is not loopback.
 */
export async function hostTowards(peers: readonly string[]): Promise<string> {
  let loopback: string | undefined;
  for (const peer of peers.slice(0, PEERS_MAX)) {
    const host = await sourceAddress(peer);
    if (host === null) continue;
    if (!host.startsWith("127.")) return host;
    loopback ??= host; // the peer is this machine; another one tells more
  }
  const outer = Object.values(networkInterfaces())
    .flatMap((all) => all ?? [])
    .find(({ family, internal }) => family === "IPv4" && !internal);
  return loopback ?? outer?.address ?? "127.0.0.1";
}

/** Source address of a packet to `peer`; null where its name or way is unknown. */
function sourceAddress(peer: string): Promise<string | null> {
  const { promise, resolve } = Promise.withResolvers<string | null>();
  const socket = createSocket("udp4");
  socket.once("error", () => resolve(null));
  socket.once("connect", () => resolve(socket.address().address));
  socket.connect(9, peer);
  return promise.finally(() => socket.close());
}
