/** The machine: one event in, instructions out. Handlers recommend, transitions settle, then bytes and places are given. */
import { assertNever } from "../../base/index.ts";
import type { Key } from "../../graph/index.ts";
import { advanceHead, mayOpen, openBatches } from "./admission.ts";
import { dropPageIfDone } from "./batches.ts";
import { checkCore } from "./check.ts";
import {
  cancelKeys,
  clientJoined,
  clientLeft,
  dataPlaced,
  desireKeys,
  failSubmission,
  releaseBlocks,
  releaseColumn,
  releaseKeys,
  reportKey,
  restart,
  retryKeys,
  submitLayers,
  submitTasks,
} from "./client-events.ts";
import { Core } from "./core.ts";
import type { SchedulerConfig, SchedulerEvent, SchedulerInstruction, SchedulerMachine, StoryEntry } from "./events.ts";
import { drawChains } from "./follow.ts";
import { dropBatchIfEmpty } from "./lifetime.ts";
import { moveProgress, moveResults } from "./moves.ts";
import { dispatch, steal } from "./placement.ts";
import { isHungry, planAhead, settleDisturbed } from "./plan.ts";
import { retireProgress, retireWorkers } from "./retire.ts";
import { settle } from "./transitions.ts";
import { SchedulerViews } from "./views.ts";
import {
  dataMissing,
  heartbeat,
  tasksFinished,
  tick,
  workerJoined,
  workerLeft,
  workerMessages,
} from "./worker-events.ts";

/** A scheduler without sockets, clocks or promises. */
export class Scheduler implements SchedulerMachine {
  readonly #core: Core;
  /** Questions that change nothing. */
  readonly views: SchedulerViews;

  constructor(config: SchedulerConfig) {
    this.#core = new Core(config);
    this.views = new SchedulerViews(this.#core);
  }

  handle(event: SchedulerEvent, outbox: SchedulerInstruction[]): void {
    handleEvent(this.#core, event, outbox);
  }

  handleAll(events: readonly SchedulerEvent[], outbox: SchedulerInstruction[]): void {
    handleEvents(this.#core, events, outbox);
  }

  check(): void {
    checkCore(this.#core);
  }

  story(...keys: readonly Key[]): readonly StoryEntry[] {
    return this.#core.story.of(keys);
  }

  /** Keep transitions for {@link takeTransitions}, or not any more. */
  watchTransitions(isOn: boolean): void {
    this.#core.story.listen(isOn);
  }

  /** Transitions since the last time, of all tasks, oldest first; none where nobody watches. */
  takeTransitions(): readonly StoryEntry[] {
    return this.#core.story.take();
  }
}

/** One event over the whole state. */
export function handleEvent(core: Core, event: SchedulerEvent, outbox: SchedulerInstruction[]): void {
  core.begin(event, outbox);
  applyEvent(core, event);
  settleDisturbed(core);
  endTurn(core);
}

/** The events of one turn, in order. What became ready is given out once, after the last. */
export function handleEvents(core: Core, events: readonly SchedulerEvent[], outbox: SchedulerInstruction[]): void {
  for (const event of events) {
    core.begin(event, outbox);
    applyEvent(core, event);
    settleDisturbed(core);
    settle(core);
  }
  if (events.length > 0) endTurn(core);
}

/** What follows from what happened: bytes and places are given, and everybody is told. */
function endTurn(core: Core): void {
  let hasMore: boolean;
  do {
    settleAll(core);
    openBatches(core);
    if (planAhead(core)) settleAll(core);
    core.flushFrees();
    dispatch(core);
    drawChains(core);
    core.flushRuns();
    // A worker that stays after all can run what nobody could.
    const isReinstated = retireProgress(core);
    const hasMoved = core.moves.size > 0 && moveProgress(core);
    // An order may have come to its end by then, and let the next batch open.
    hasMore = isReinstated || hasMoved || core.recommended.size > 0 || isHungry(core) || mayOpen(core);
  } while (hasMore);
  for (const worker of core.opened) worker.isOpened = false;
  core.opened.length = 0;
  if (core.config.stealing) steal(core);
  for (const { batch, task } of core.quietPages) dropPageIfDone(core.columns, batch, task);
  core.quietPages.length = 0;
  while (core.emptied.size > 0) {
    const emptied = Array.from(core.emptied);
    core.emptied.clear();
    for (const batch of emptied) dropBatchIfEmpty(core, batch);
    settleAll(core);
    core.flushFrees();
  }
  core.flushNews();
}

/** Apply what is recommended, and see how far the batches are. */
function settleAll(core: Core): void {
  settle(core);
  for (const batch of core.active) advanceHead(core, batch);
}

function applyEvent(core: Core, event: SchedulerEvent): void {
  switch (event.type) {
    case "worker-joined":
      return workerJoined(core, event);
    case "worker-left":
      return workerLeft(core, event.worker, event.isExpected);
    case "worker-messages":
      return workerMessages(core, event);
    case "tasks-finished":
      return tasksFinished(core, event);
    case "worker-heartbeat":
      return heartbeat(core, event);
    case "client-joined":
      return clientJoined(core, event.client, event.isColumnar);
    case "client-left":
      return clientLeft(core, event.client);
    case "submit-layers":
      return submitLayers(core, event);
    case "submit-tasks":
      return submitTasks(core, event);
    case "submit-failed":
      return failSubmission(core, event);
    case "client-desires-keys":
      return desireKeys(core, event.client, event.keys);
    case "client-releases-keys":
      return releaseKeys(core, event.client, event.keys);
    case "client-releases-column":
      return releaseColumn(core, event);
    case "client-releases-blocks":
      return releaseBlocks(core, event);
    case "report-key":
      return reportKey(core, event.client, event.key);
    case "cancel-keys":
      return cancelKeys(core, event);
    case "retry-keys":
      return retryKeys(core, event.keys);
    case "data-placed":
      return dataPlaced(core, event);
    case "data-missing":
      return dataMissing(core, event);
    case "retire-workers":
      return retireWorkers(core, event);
    case "move-results":
      return moveResults(core, event);
    case "restart":
      return restart(core);
    case "tick":
      return tick(core);
    default:
      return assertNever(event);
  }
}
