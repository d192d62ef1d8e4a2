/**
 * Small blocks in an answer to `get_data` between rsdat peers (dask-protocol §15): those of one dtype and shape together,
 * their elements one block after another, instead of a header and a frame for each.
 */
import { RemoteProtocolError } from "../base/index.ts";
import { type DType, isDType, itemsize } from "../dtype/index.ts";
import { sizeOf } from "../ndarray/index.ts";
import { BYTES, type Codec, INTEGER, listOf, record, TEXT } from "./codec.ts";

/** Blocks up to this many bytes are packed. */
export const PACKED_BYTES_MAX: number = 16 * 1024;
/** Most blocks in a pack, most packs in an answer, most axes. */
const BLOCKS_MAX = 2 ** 20;
const PACKS_MAX = 1024;
const NDIM_MAX = 64;

/** Blocks of one kind. */
export interface BlockPack {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Places of their keys in the request. */
  readonly places: Uint32Array;
  /** Elements in C order, block after block. */
  readonly bytes: Uint8Array;
}

interface WirePack {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly places: Uint8Array;
  readonly bytes: Uint8Array;
}

const WIRE = listOf(record<WirePack>({ dtype: TEXT, shape: listOf(INTEGER), places: BYTES, bytes: BYTES }));

/** Bytes of one block of a pack. */
export function packedNbytes({ dtype, shape }: Pick<BlockPack, "dtype" | "shape">): number {
  return sizeOf(shape) * itemsize(dtype);
}

function readPack({ dtype, shape, places, bytes }: WirePack, place: string): BlockPack {
  const refuse = (what: string): never => {
    throw new RemoteProtocolError(`${place}: ${what}`, { details: { place } });
  };
  if (!isDType(dtype)) return refuse(`blocks of dtype ${JSON.stringify(dtype.slice(0, 80))}`);
  if (shape.length > NDIM_MAX || shape.some((n) => n < 0)) refuse(`blocks of shape (${shape.slice(0, 9).join(", ")})`);
  const count = places.byteLength >> 2;
  if (places.byteLength % 4 !== 0 || count > BLOCKS_MAX) refuse(`places of ${places.byteLength} bytes`);
  const nbytes = packedNbytes({ dtype, shape });
  if (!(nbytes > 0 && nbytes <= PACKED_BYTES_MAX) || bytes.byteLength !== count * nbytes)
    refuse(`${bytes.byteLength} bytes of ${count} blocks of ${nbytes}`);
  return { dtype, shape, places: new Uint32Array(new Uint8Array(places).buffer), bytes };
}

/** Wire form of an answer's packs. */
export const PACKS: Codec<readonly BlockPack[]> = {
  read: (value, place) => {
    const packs = WIRE.read(value, place);
    if (packs.length > PACKS_MAX)
      throw new RemoteProtocolError(`${place}: ${packs.length} packs; the limit is ${PACKS_MAX}`);
    return packs.map((pack) => readPack(pack, place));
  },
  write: (packs) =>
    WIRE.write(
      packs.map(({ places, ...pack }) => ({
        ...pack,
        places: new Uint8Array(places.buffer, places.byteOffset, places.byteLength),
      })),
    ),
};

/** Collects the blocks of one answer. */
export class BlockPacker {
  readonly #packs = new Map<string, { dtype: DType; shape: readonly number[]; places: number[]; bytes: Uint8Array }>();
  readonly #countMax: number;

  /** @param countMax keys of the request */
  constructor(countMax: number) {
    this.#countMax = countMax;
  }

  /** Take a block's elements, of the key at `place` in the request; false where it has to travel by itself. */
  add(place: number, { dtype, shape }: Pick<BlockPack, "dtype" | "shape">, elements: Uint8Array): boolean {
    const nbytes = elements.byteLength;
    if (nbytes === 0 || nbytes > PACKED_BYTES_MAX || shape.length > NDIM_MAX) return false;
    const kind = `${dtype} ${shape.join()}`;
    let pack = this.#packs.get(kind);
    if (pack === undefined) {
      if (this.#packs.size >= PACKS_MAX) return false;
      pack = { dtype, shape, places: [], bytes: new Uint8Array(0) };
      this.#packs.set(kind, pack);
    }
    const at = pack.places.length * nbytes;
    if (at === pack.bytes.length) {
      const larger = new Uint8Array(Math.min(Math.max(16, 2 * pack.places.length), this.#countMax) * nbytes);
      larger.set(pack.bytes);
      pack.bytes = larger;
    }
    pack.bytes.set(elements, at);
    pack.places.push(place);
    return true;
  }

  packs(): BlockPack[] {
    return Array.from(this.#packs.values(), ({ dtype, shape, places, bytes }) => ({
      dtype,
      shape,
      places: Uint32Array.from(places),
      bytes: bytes.subarray(0, places.length * packedNbytes({ dtype, shape })),
    }));
  }
}
