/**
 * Statistical profiles: how often what was seen to run, as a tree, and the questions for it. Form and meaning are those of
 * `distributed/profile.py`. This is the one place that merges trees and that reads those of others.
 */
import { RemoteProtocolError } from "../base/index.ts";
import {
  type Codec,
  type Fields,
  FLAG,
  INTEGER,
  listOf,
  mapOf,
  NUMBER,
  nullable,
  optional,
  type Request,
  record,
  request,
  TEXT,
} from "./codec.ts";
import { checkReply } from "./failure.ts";
import { asMap } from "./msgpack.ts";

/** A place in a program. What is no line of a file has a filename in angle brackets, and line 0. */
export interface ProfilePlace {
  readonly filename: string;
  readonly name: string;
  readonly lineNumber: number;
  /** Text of the line. */
  readonly line: string;
}

/** One place, as it is called from the places above it. */
export interface ProfileNode {
  /** Of its place: equal places below one node are one node. The topmost is `root`. */
  readonly identifier: string;
  readonly description: ProfilePlace;
  /** Times that this place, or one below it, was seen to run. */
  readonly count: number;
  /** By identifier. */
  readonly children: ReadonlyMap<string, ProfileNode>;
}

/** Nodes from the root down that a tree may have: Dask cuts stacks at 100. */
export const PROFILE_DEPTH_MAX = 110;
/** Nodes of one tree, those of others and merged ones. */
export const PROFILE_NODES_MAX = 100_000;

const ROOT = "root";
const NOWHERE: ProfilePlace = { filename: "", name: "", lineNumber: 0, line: "" };

/** A tree that has seen nothing. Source: distributed.profile `create`. */
export function emptyProfile(): ProfileNode {
  return { identifier: ROOT, description: NOWHERE, count: 0, children: new Map() };
}

/**
 * Trees added up. Source: distributed.profile `merge`. Of more than {@link PROFILE_NODES_MAX} nodes the later ones are
 * left out; what they count stays in the nodes above them.
 *
 * @param nodesMax bound of nodes, for tests
 */
export function mergeProfiles(trees: readonly ProfileNode[], nodesMax: number = PROFILE_NODES_MAX): ProfileNode {
  const [first] = trees;
  return first === undefined ? emptyProfile() : merged(first, trees, { left: nodesMax - 1 });
}

function merged(first: ProfileNode, nodes: readonly ProfileNode[], room: { left: number }): ProfileNode {
  const groups = new Map<string, ProfileNode[]>();
  let count = 0;
  for (const node of nodes) {
    count += node.count;
    for (const [identifier, child] of node.children) {
      const group = groups.get(identifier);
      if (group) group.push(child);
      else groups.set(identifier, [child]);
    }
  }
  const children = new Map<string, ProfileNode>();
  for (const [identifier, group] of groups) {
    if (room.left <= 0) break;
    room.left--;
    children.set(identifier, merged(group[0] as ProfileNode, group, room)); // a group has one at least
  }
  return { identifier: first.identifier, description: first.description, count, children };
}

const PLACE = record<ProfilePlace>({ filename: TEXT, name: TEXT, lineNumber: INTEGER, line: TEXT });

function readNode(value: unknown, place: string, depth: number, room: { left: number }): ProfileNode {
  if (depth > PROFILE_DEPTH_MAX || --room.left < 0)
    throw new RemoteProtocolError(
      `${place}: expected a profile of at most ${PROFILE_NODES_MAX} nodes, ${PROFILE_DEPTH_MAX} deep`,
    );
  const map = asMap(value, place);
  const inside = `${place}.children`;
  const children = new Map<string, ProfileNode>();
  const identifier = TEXT.read(map.get("identifier"), `${place}.identifier`);
  for (const [key, child] of asMap(map.get("children"), inside)) {
    const node = readNode(child, inside, depth + 1, room);
    if (node.identifier !== key)
      throw new RemoteProtocolError(`${inside}: ${JSON.stringify(node.identifier)} under another name`);
    children.set(node.identifier, node);
  }
  const description = PLACE.read(map.get("description"), `${place}.description`);
  return { identifier, description, count: NUMBER.read(map.get("count"), `${place}.count`), children };
}

function writeNode({ identifier, description, count, children }: ProfileNode): unknown {
  const below = new Map(Array.from(children, ([name, child]) => [name, writeNode(child)]));
  return { identifier, description: PLACE.write(description), count, children: below };
}

/** A whole tree. */
export const PROFILE_TREE: Codec<ProfileNode> = {
  read: (value, place) => {
    const root = readNode(value, place, 1, { left: PROFILE_NODES_MAX });
    if (root.identifier !== ROOT) throw new RemoteProtocolError(`${place}: the topmost node is no ${ROOT}`);
    return root;
  },
  write: writeNode,
};

/** Which part of a worker's profile; times are seconds since 1970. */
export interface WorkerProfileQuestion {
  /** Prefix of tasks' keys; null: all tasks. */
  readonly key: string | null;
  readonly start: number | null;
  readonly stop: number | null;
  /** True: of the thread that directs, not of those that compute. */
  readonly server?: boolean;
}

/** The same of several workers. */
export interface ProfileQuestion extends WorkerProfileQuestion {
  /** Null: all. Those that are not there are passed over. */
  readonly workers: readonly string[] | null;
  /** False: a tree for each worker. Default true. */
  readonly mergeWorkers?: boolean;
  /** True: of the scheduler. */
  readonly scheduler?: boolean;
}

const OF_WORKER: Fields<WorkerProfileQuestion> = {
  key: nullable(TEXT),
  start: nullable(NUMBER),
  stop: nullable(NUMBER),
  server: optional(FLAG),
};

/** A worker's profile. */
export const WORKER_PROFILE: Request<WorkerProfileQuestion, ProfileNode> = request<WorkerProfileQuestion, ProfileNode>(
  "profile",
  OF_WORKER,
  PROFILE_TREE,
  checkReply,
);

/** A scheduler's answer for its workers, merged. */
export const PROFILE: Request<ProfileQuestion, ProfileNode> = request<ProfileQuestion, ProfileNode>(
  "profile",
  {
    ...OF_WORKER,
    workers: nullable(listOf(TEXT)),
    mergeWorkers: optional(FLAG),
    scheduler: optional(FLAG),
  },
  PROFILE_TREE,
  checkReply,
);

function pair<T>(second: Codec<T>): Codec<readonly [seconds: number, value: T]> {
  return {
    read: (value, place) => {
      if (!Array.isArray(value) || value.length !== 2) throw new RemoteProtocolError(`${place}: expected pairs`);
      return [NUMBER.read(value[0], place), second.read(value[1], place)];
    },
    write: ([seconds, value]) => [seconds, second.write(value)],
  };
}

/** When a worker's profile was counted: how often, in all and by prefix of keys. Times end the cycles. */
export interface WorkerProfileCounts {
  readonly counts: readonly (readonly [seconds: number, count: number])[];
  readonly keys: readonly (readonly [seconds: number, counts: ReadonlyMap<string, number>])[];
}

/** What times are meant: `start` and `stop` are not among them. */
export interface WorkerProfileTimes {
  readonly start?: number;
  readonly stop: number | null;
}

const TIMES: Fields<WorkerProfileTimes> = { start: optional(NUMBER), stop: nullable(NUMBER) };

/** Times and counts of a worker's profile. */
export const WORKER_PROFILE_METADATA: Request<WorkerProfileTimes, WorkerProfileCounts> = request<
  WorkerProfileTimes,
  WorkerProfileCounts
>(
  "profile_metadata",
  TIMES,
  record<WorkerProfileCounts>({ counts: listOf(pair(NUMBER)), keys: listOf(pair(mapOf(TEXT, NUMBER))) }),
  checkReply,
);

/** Of several workers, in cycles of one length. */
export interface ProfileTimes extends WorkerProfileTimes {
  readonly workers: readonly string[] | null;
  /** "1s", or milliseconds; default: the scheduler's `distributed.worker.profile.cycle`. */
  readonly profileCycleInterval: string | number | null;
}
/** Counts of several workers added up; the lists begin at whole cycles. */
export interface ProfileCounts {
  readonly counts: readonly (readonly [seconds: number, count: number])[];
  readonly keys: ReadonlyMap<string, readonly (readonly [seconds: number, count: number])[]>;
}
const DURATION: Codec<string | number> = {
  read: (value, place) => (typeof value === "number" ? value : TEXT.read(value, place)),
  write: (value) => value,
};
/** Times and counts of the workers' profiles. */
export const PROFILE_METADATA: Request<ProfileTimes, ProfileCounts> = request<ProfileTimes, ProfileCounts>(
  "profile_metadata",
  { ...TIMES, workers: nullable(listOf(TEXT)), profileCycleInterval: nullable(DURATION) },
  record<ProfileCounts>({ counts: listOf(pair(NUMBER)), keys: mapOf(TEXT, listOf(pair(NUMBER))) }),
  checkReply,
);
