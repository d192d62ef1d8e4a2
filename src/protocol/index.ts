/**
 * Room: protocol. The only wire: framing, msgpack, pickle subset, serializers, message types, addresses.
 * In: bytes of any peer, typed messages. Out: typed messages, bytes. Pure: no sockets, no clock; nothing is executed.
 * Imports: base, dtype, ndarray, graph.
 * @module
 *
 * How the shells use it:
 * - Streams: `WORKER_TO_SCHEDULER.parse(map)` gives a checked union in camelCase, `.encode(message)` its wire map. The
 *   four directions are WORKER_TO_SCHEDULER, SCHEDULER_TO_WORKER, CLIENT_TO_SCHEDULER and SCHEDULER_TO_CLIENT; comm's
 *   `readStream(comm, FAMILY.parse)` and `new BatchedStream(comm, FAMILY.encode)` do the rest.
 * - Requests: `GATHER.ask({ keys })` is the map to send, `GATHER.parseAnswer(reply)` the checked answer; a server uses
 *   `GATHER.parse(request)` and `GATHER.answer(reply)`.
 * - Values: `serialize(block)` and `deserialize(serialized)`. A scheduler never calls them: `Serialized` and `Pickled`
 *   stay opaque and are sent on as they came.
 * - Run specs: `serializeTaskSpec(bytes)` for rsdat peers, `new Pickled(writePickle(pyNativeTask(key, bytes, deps)))` for
 *   a Python scheduler; `readRunSpec` tells a native spec from a Python task.
 */
export type { Address, Scheme } from "./addresses.ts";
export { calledAddress, formatAddress, normalizeAddress, parseAddress } from "./addresses.ts";
export type { PlainBlock } from "./block-header.ts";
export { plainBlockOf } from "./block-header.ts";
export type { BlockPack } from "./block-packs.ts";
export { BlockPacker, PACKED_BYTES_MAX, packedNbytes } from "./block-packs.ts";
export type {
  AdjustHeartbeatInterval,
  CancelKeys,
  CancelledKeys,
  ClientDesiresKeys,
  ClientReleasesKeys,
  ClientTaskErred,
  ClientToScheduler,
  CloseClient,
  CoordinationMessage,
  HeartbeatClient,
  KeyInMemory,
  LostData,
  ReportKey,
  SchedulerClose,
  SchedulerError,
  SchedulerRestart,
  SchedulerToClient,
  StreamClosed,
  StreamStart,
  SubscribeTopic,
  TaskRetried,
  TopicEvent,
  UnsubscribeTopic,
  UpdateGraph,
  UpdateLayers,
} from "./client-messages.ts";
export { CLIENT_TO_SCHEDULER, SCHEDULER_TO_CLIENT } from "./client-messages.ts";
export type { Codec, Family, Request } from "./codec.ts";
export { KEY } from "./codec.ts";
export type {
  ColumnarToScheduler,
  ColumnsToWorker,
  ForgetGraph,
  FreeTasks,
  GraphMessage,
  KeysInMemory,
  ReleasesBlocks,
  ReleasesColumn,
  RunTasks,
  SchedulerToColumnar,
  TasksFinished,
  TasksInMemory,
} from "./column-messages.ts";
export { COLUMNAR_TO_SCHEDULER, SCHEDULER_TO_COLUMNAR } from "./column-messages.ts";
export type { Compressor } from "./compress.ts";
export { COMPRESSORS, compressBytes, compressMessage, decompressLarge } from "./compress.ts";
export { decompressFrame, decompressFrameLater } from "./compression.ts";
export type { FailureContext, FailurePlace } from "./failure.ts";
export { checkReply, errorReply, failureOf, remoteError } from "./failure.ts";
export type { EncodeFramesOptions, FramedMessage, FrameLimits, FramePlacer } from "./framing.ts";
export { DEFAULT_FRAME_LIMITS, encodeFrames, FrameDecoder, joinBytes } from "./framing.ts";
export type { Handshake, HandshakeOptions } from "./handshake.ts";
export { DIALECT, handshakeMessage, PICKLE_PROTOCOL, parseHandshake } from "./handshake.ts";
export type { HookKind, HookTrust } from "./hook-plugin.ts";
export { makeHookPlugin, writeHookPlugin } from "./hook-plugin.ts";
export type { MaterialisedTask } from "./materialise.ts";
export { materialiseReply, materialiseRequest } from "./materialise.ts";
export type { EncodedMessage, SplitFrames } from "./msgpack.ts";
export { decodeMessage, encodeMessage, Pickled, pack, Serialized, unpack, WireEnum } from "./msgpack.ts";
export type { NativePlugin } from "./native-plugin.ts";
export { isNativePlugin, readNativePlugin, writeNativePlugin } from "./native-plugin.ts";
export { PyArray } from "./numpy.ts";
export { dtypeOfPy } from "./numpy-type.ts";
export type { PyLayer, PyTaskOptions } from "./pickle/build.ts";
export {
  NATIVE_MARK,
  NATIVE_RESOURCE,
  pyException,
  pyFunction,
  pyGlobal,
  pyGraph,
  pyKey,
  pyLayeredGraph,
  pyNativeTask,
  pyTask,
  pyTaskList,
  pyTaskRef,
  pyTypeName,
  pyValueOf,
} from "./pickle/build.ts";
export type { PickleLimits } from "./pickle/reader.ts";
export { readPickle } from "./pickle/reader.ts";
export type { PyValue } from "./pickle/tree.ts";
export { PyBuffer, PyCall, PyCode, PyFloat, PyGlobal, PySet, PyTuple } from "./pickle/tree.ts";
export type { PyException, PyTask } from "./pickle/values.ts";
export { exceptionOf, keyOfPy, nameOf, PyTaskRef, pickledName, plainOf, taskOf } from "./pickle/values.ts";
export { writePickle } from "./pickle/writer.ts";
export { plainGraphTasks } from "./plain-graph.ts";
export type {
  GraphUpdate,
  NannyPlugin,
  PluginNanny,
  PluginScheduler,
  SchedulerHooks,
  SchedulerPlugin,
  TransitionDetails,
} from "./plugin-types.ts";
export type {
  ProfileCounts,
  ProfileNode,
  ProfilePlace,
  ProfileQuestion,
  ProfileTimes,
  WorkerProfileCounts,
  WorkerProfileQuestion,
  WorkerProfileTimes,
} from "./profile.ts";
export {
  emptyProfile,
  mergeProfiles,
  PROFILE,
  PROFILE_METADATA,
  PROFILE_TREE,
  WORKER_PROFILE,
  WORKER_PROFILE_METADATA,
} from "./profile.ts";
export type { LayerProgress } from "./progress.ts";
export { PROGRESS_TOPIC, progressMessage, readProgress } from "./progress.ts";
export type {
  Broadcast,
  DataPlaced,
  GatherReply,
  GetData,
  GetDataReply,
  HeartbeatReply,
  HeartbeatWorker,
  Identity,
  RegisterWorker,
  RetireWorkers,
  RunFunction,
  RunReply,
  Scatter,
  Versions,
  WorkerIdentity,
  WorkerRegistered,
} from "./requests.ts";
export {
  BROADCAST,
  DATA_PLACED,
  FREE_KEYS_REQUEST,
  GATHER,
  GET_DATA,
  HAS_WHAT,
  HEARTBEAT_WORKER,
  IDENTITY,
  NBYTES_REQUEST,
  NCORES,
  PING,
  PLUGIN_ADD,
  REBALANCE,
  REGISTER_CLIENT,
  REGISTER_WORKER,
  RETIRE_WORKERS,
  RETRY,
  type Rebalance,
  type Rebalanced,
  RUN,
  SCATTER,
  TASK_STATUS,
  TERMINATE,
  UNREGISTER,
  UPDATE_DATA,
  VERSIONS,
  WHO_HAS_REQUEST,
  WORKER_GATHER,
} from "./requests.ts";
export type { RunSpec } from "./run-spec.ts";
export { expressionClass, readRunSpec } from "./run-spec.ts";
export {
  deserialize,
  MaskedBlock,
  pickledTree,
  serialize,
  serializeBytes,
  serializeExpression,
  serializeFailure,
  serializePickle,
  serializeTaskSpec,
  valueOfPickle,
} from "./serialize.ts";
export { splitterOf } from "./sub-frames.ts";
export { blockKeys, wantedKeys, wantingOnly } from "./wanted.ts";
export type {
  AcquireReplicas,
  AddKeys,
  CancelCompute,
  CloseWorker,
  ComputeTask,
  FreeKeys,
  IoRates,
  KeepAlive,
  LogEvent,
  LongRunning,
  NbytesOf,
  RefreshWhoHas,
  ReleaseWorkerData,
  RemoveReplicas,
  RemoveWorker,
  RequestRefreshWhoHas,
  Reschedule,
  SchedulerToWorker,
  StartStop,
  StealRequest,
  StealResponse,
  TaskErred,
  TaskFinished,
  WhoHas,
  WireFailure,
  WorkerAddress,
  WorkerMetrics,
  WorkerStatusChange,
  WorkerToScheduler,
} from "./worker-messages.ts";
export { METRICS, SCHEDULER_TO_WORKER, WORKER_TO_SCHEDULER } from "./worker-messages.ts";
