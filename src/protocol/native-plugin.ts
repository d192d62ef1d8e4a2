/** Plugins of rsdat workers: two native specs that call functions of a user, as bytes that no pickle begins with. */
import { RemoteProtocolError } from "../base/index.ts";
import { pack, unpack } from "./msgpack.ts";

/** A pickle begins with 0x80. */
const MAGIC = new TextEncoder().encode("rsdat-plugin/1\n");

/** Functions that a worker runs once each, as encoded task specs with the cluster's mac. */
export interface NativePlugin {
  readonly setup: Uint8Array;
  readonly teardown: Uint8Array | null;
}

/** True for what {@link pluginBytes} marked. */
export function isNativePlugin(bytes: Uint8Array): boolean {
  return MAGIC.every((byte, k) => bytes[k] === byte);
}

/** A plugin of ours, of whatever kind, marked as one. */
export function pluginBytes(body: Uint8Array): Uint8Array {
  return Buffer.concat([MAGIC, body]);
}

/** What was marked. @throws {RemoteProtocolError} nothing of ours */
export function pluginBody(bytes: Uint8Array): Uint8Array {
  if (!isNativePlugin(bytes)) throw new RemoteProtocolError("a plugin that rsdat did not write");
  return bytes.subarray(MAGIC.length);
}

/** As it is registered at the scheduler. */
export function writeNativePlugin({ setup, teardown }: NativePlugin): Uint8Array {
  return pluginBytes(pack({ setup, teardown }));
}

/** @throws {RemoteProtocolError} no plugin of an rsdat worker */
export function readNativePlugin(bytes: Uint8Array): NativePlugin {
  const body = isNativePlugin(bytes) ? unpack(pluginBody(bytes)) : undefined;
  const setup = body instanceof Map ? body.get("setup") : undefined;
  const teardown = body instanceof Map ? body.get("teardown") : undefined;
  if (!(setup instanceof Uint8Array) || !(teardown === null || teardown instanceof Uint8Array))
    throw new RemoteProtocolError("a plugin for an rsdat worker without its functions");
  return { setup, teardown };
}
