/** Our decoded messages in the JSON form of the goldens (`view` of record.py) and of the team's fixtures. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  decodeMessage,
  FrameDecoder,
  type FramedMessage,
  Pickled,
  PyBuffer,
  PyCall,
  PyFloat,
  PyGlobal,
  PySet,
  PyTuple,
  type PyValue,
  readPickle,
  Serialized,
  unpack,
} from "../../src/protocol/index.ts";

/** One recorded message with its description. */
export interface Golden {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly about: {
    readonly first_block_length: number;
    readonly frame_lengths: number[];
    readonly decoded: unknown;
    readonly value?: unknown;
    readonly tasks?: { readonly key: unknown; readonly func: string | null; readonly dependencies: string[] }[];
    readonly expr_decoded?: unknown;
  };
}

/** All goldens of a folder. */
export function readGoldens(folder: string): Golden[] {
  if (!existsSync(folder)) return [];
  return readdirSync(folder)
    .filter((file) => file.endsWith(".bin"))
    .map((file) => ({
      name: file.slice(0, -4),
      bytes: readFileSync(join(folder, file)),
      about: JSON.parse(readFileSync(join(folder, file.replace(".bin", ".json")), "utf-8")),
    }));
}

/** Frames of one whole message. */
export function framesOf(bytes: Uint8Array): FramedMessage {
  const decoder = new FrameDecoder();
  decoder.push(bytes);
  const message = decoder.next();
  if (!message || !decoder.isIdle) throw new Error("not exactly one message");
  return message;
}

/** Value of one whole message. */
export function messageOf(bytes: Uint8Array): unknown {
  return decodeMessage(framesOf(bytes).frames);
}

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** A decoded message as JSON; `pickled` says how a pickle is shown. */
export function view(value: unknown, pickled: (value: Pickled) => unknown): unknown {
  const inner = (v: unknown): unknown => view(v, pickled);
  if (value instanceof Serialized) {
    return { $Serialized: { header: inner(value.fields), frame_lengths: value.frames.map((f) => f.byteLength) } };
  }
  if (value instanceof Pickled) return { $Pickled: pickled(value) };
  if (value instanceof Uint8Array) return bytesView(value);
  if (Array.isArray(value)) return value.map(inner);
  if (value instanceof Set) return { $set: Array.from(value, inner) };
  if (value instanceof Map) {
    const entries = Array.from(value, ([k, v]) => [inner(k), inner(v)] as const);
    return entries.every(([k]) => typeof k === "string") ? Object.fromEntries(entries) : { $map: entries };
  }
  return value;
}

function bytesView(bytes: Uint8Array): unknown {
  return bytes.byteLength <= 64
    ? { $bytes: hex(bytes) }
    : { $bytes_len: bytes.byteLength, $head: hex(bytes.subarray(0, 32)) };
}

/** `$Pickled` as record.py shows it: header and lengths. */
export function headerView(value: Pickled): unknown {
  return { header: view(unpack(value.header!), headerView), frame_lengths: value.buffers.map((b) => b.byteLength) };
}

/** A pickle tree as the team's fixtures show it. */
export function treeView(node: PyValue): unknown {
  if (node instanceof PyTuple) return { $tuple: node.items.map(treeView) };
  if (node instanceof PySet) return { $set: node.items.map(treeView), ...(node.isFrozen ? { frozen: true } : {}) };
  if (node instanceof Map) return { $dict: Array.from(node, ([k, v]) => [treeView(k), treeView(v)]) };
  if (Array.isArray(node)) return node.map(treeView);
  if (node instanceof PyGlobal) return { $global: node.path };
  if (node instanceof PyCall) {
    return {
      $obj: treeView(node.callee),
      args: { $tuple: node.args.map(treeView) },
      ...(node.state === undefined ? {} : { state: treeView(node.state) }),
    };
  }
  if (node instanceof Uint8Array) return { $bytes: hex(node) };
  if (node instanceof PyFloat) return node.value;
  if (node instanceof PyBuffer) return { $buffer: node.data?.byteLength };
  return node;
}

/** `$Pickled` as the team's fixtures show it. */
export function fixturePickle(value: Pickled): unknown {
  return { pickle_len: value.pickle.byteLength, decoded: treeView(readPickle(value.pickle, value.buffers)) };
}
