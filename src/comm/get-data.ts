/** Fetching results from a worker: a request in two steps (dask-protocol §9). */
import { RemoteProtocolError } from "../base/index.ts";
import { type BlockPack, type FramePlacer, GET_DATA, type GetDataReply } from "../protocol/index.ts";
import type { CallOptions, Rpc } from "./rpc.ts";

/** What a worker answered: the data it has (absent keys are left out), or that it is busy. */
export type Fetched =
  | { readonly status: "OK"; readonly data: GetDataReply["data"] & object; readonly packs?: readonly BlockPack[] }
  | { readonly status: "busy" };

/** Options of {@link getData}. */
export interface GetDataOptions extends CallOptions {
  /** Memory for large frames of the answer. */
  readonly place?: FramePlacer;
  /** Small blocks may come in packs, if the peer speaks the dialect; places in these are those of `keys`. */
  readonly packed?: boolean;
}

/**
 * Ask `address` for many keys at once. After an OK the worker is told "OK": only then is the transfer over for it.
 * A busy worker is to be asked again after about 150 ms.
 *
 * @throws {CommError} no connection, or it broke
 * @throws {RemoteProtocolError} the worker broke the protocol
 */
export function getData(
  rpc: Rpc,
  address: string,
  request: { readonly keys: Parameters<typeof GET_DATA.ask>[0]["keys"]; readonly who: string | null },
  options: GetDataOptions = {},
): Promise<Fetched> {
  return rpc.use(
    address,
    async (comm, signal) => {
      if (options.place) comm.place(options.place);
      const isPacked = options.packed === true && comm.handshake.rsdat !== undefined;
      comm.send({ ...GET_DATA.ask(isPacked ? { ...request, packed: true } : request), reply: true });
      const reply = GET_DATA.parseAnswer(await comm.next(signal));
      comm.place(null);
      if (reply.status === "busy") return { status: "busy" };
      if (reply.status !== "OK" || !reply.data)
        throw new RemoteProtocolError(`reply to get_data from ${address}: status ${reply.status}; expected OK or busy`);
      comm.send("OK");
      if (!reply.packs) return { status: "OK", data: reply.data };
      if (!areApart(reply.packs, request.keys.length))
        throw new RemoteProtocolError(
          `reply to get_data from ${address}: a block that was not asked for, or one twice`,
        );
      return { status: "OK", data: reply.data, packs: reply.packs };
    },
    options,
    "get_data",
  );
}

/** Each place is one of a key that was asked for, and stands once: whoever takes the blocks in owns one for each key. */
function areApart(packs: readonly BlockPack[], count: number): boolean {
  const seen = new Uint8Array(count);
  for (const { places } of packs)
    for (const place of places) {
      if (place >= count || seen[place] === 1) return false;
      seen[place] = 1;
    }
  return true;
}
