/** The invariants of docs/spec/scheduler.md, checked over the whole state: for tests and simulations. */
import { InvariantError, invariant } from "../../base/index.ts";
import type { TaskId } from "../../graph/index.ts";
import { isHead, needOf, roomOf } from "./admission.ts";
import { isPlanned, type LayerBatch, owns } from "./batches.ts";
import {
  CELL,
  DEPENDENTS,
  FLAG_FOLLOWS,
  FLAG_ROOT,
  FLAGS,
  HOLDER,
  LINK_BITS,
  LINK_COUNT,
  LINK_COUNT_BITS,
  LINK_COUNT_MASK,
  LINKS,
  MISSING,
  NEAR,
  PAGE,
  PAGE_BITS,
  PLACE,
  RANK,
  type Slot,
  STATE,
  TASK,
  WAITERS,
  WANTS,
  WORKER,
} from "./columns.ts";
import type { Core } from "./core.ts";
import { recordsOf } from "./keyed.ts";
import { largeAhead } from "./load.ts";
import { goesAsColumn } from "./outgoing.ts";
import type { Piece } from "./pieces.ts";
import { ERRED, FORGOTTEN, isActive, MEMORY, NO_WORKER, PROCESSING, QUEUED, STATES, WAITING } from "./states.ts";
import { loadOf, type WorkerState } from "./workers.ts";

/** @throws {InvariantError} with the number of the broken invariant and the story of the guilty task */
export function checkCore(core: Core): void {
  const { columns } = core;
  const claims = new Uint32Array(columns.top);
  const known = new Uint32Array(columns.top);
  const wants = new Uint32Array(columns.top);
  const inputs: Slot[] = [];
  invariant(!core.hasNews, "S-I18: after an event nothing is left to be told to clients");
  for (const client of core.clients.values())
    for (const slot of client.wants) wants[slot] = (wants[slot] as number) + 1;
  for (let slot = 0; slot < columns.top; slot++) {
    const state = columns.cells[(slot << CELL) + STATE] as number; // below top
    if (state === FORGOTTEN) continue;
    const batch = core.batchOf(slot);
    const count = core.knownDependencies(slot, inputs);
    for (let i = 0; i < count; i++) {
      const input = inputs[i] as Slot; // i < count
      if (!batch) known[input] = (known[input] as number) + 1;
      if (isActive(state)) claims[input] = (claims[input] as number) + 1;
    }
    if (batch)
      claims[slot] = (claims[slot] as number) + plannedUsers(batch, columns.cells[(slot << CELL) + TASK] as number);
    checkInputs(core, slot, inputs.slice(0, count));
  }
  for (const batch of core.batches)
    for (const slot of batch ? recordsOf(batch.singles) : []) known[slot] = (known[slot] as number) + 1;
  for (let slot = 0; slot < columns.top; slot++) {
    expect(
      core,
      slot,
      columns.cells[(slot << CELL) + WAITERS] === claims[slot],
      "S-I2: waiters are the active dependents and those that an order will come to",
    );
    expect(
      core,
      slot,
      columns.cells[(slot << CELL) + DEPENDENTS] === known[slot],
      "S-I3: dependents are the known materialised ones",
    );
    expect(
      core,
      slot,
      columns.cells[(slot << CELL) + WANTS] === wants[slot],
      "S-I4: wants are the clients that want it",
    );
    if (columns.cells[(slot << CELL) + STATE] !== FORGOTTEN) checkTask(core, slot);
    else
      expect(
        core,
        slot,
        columns.cells[(slot << CELL) + WANTS] === 0 && columns.cells[(slot << CELL) + WAITERS] === 0,
        "S-I8: nobody needs a forgotten task",
      );
  }
  checkWorkers(core);
  checkKeys(core);
  checkBatches(core);
  checkProgress(core);
  const byState = STATES.map(() => 0);
  for (let slot = 0; slot < columns.top; slot++) {
    const state = columns.cells[(slot << CELL) + STATE] as number; // below top
    byState[state] = (byState[state] as number) + 1;
  }
  expectThat(
    byState.every((count, state) => state === FORGOTTEN || count === core.counts[state]),
    "S-I16: tasks are counted by state",
  );
}

/** Dependents that the batch's order will come to; they claim what it has come to. */
function plannedUsers(batch: LayerBatch, task: TaskId): number {
  if (batch.walk.isDone || !batch.walk.isRanked(task)) return 0;
  const users: TaskId[] = [];
  const count = batch.edges.dependents(task, users);
  return users.slice(0, count).filter((user) => isPlanned(batch, user)).length;
}

function checkKeys(core: Core): void {
  for (const [key, slot] of core.keys)
    expect(core, slot, core.keyOf(slot) === key, "S-I15: a key leads to its own task");
  for (const { key, batch, task } of core.callKeys.all()) {
    const found = core.callKeys.find(key);
    const isOwn = owns(batch, task) && batch.graph.key(task) === key && core.batches[batch.index] === batch;
    expectThat(isOwn && found?.batch === batch && found.task === task, "S-I15: a key leads to its own task");
  }
  for (const [slot, { key }] of core.records)
    expect(core, slot, core.keys.get(key) === slot, "S-I15: a materialised task is found by its key");
}

function checkInputs(core: Core, slot: Slot, inputs: readonly Slot[]): void {
  const state = core.columns.cells[(slot << CELL) + STATE] as number; // a slot given out
  const { cells, links } = core.columns;
  const counts = cells[(slot << CELL) + LINK_COUNT] as number; // a slot given out
  const noted = (counts & LINK_COUNT_MASK) - 1;
  const first = slot << LINK_BITS;
  const isNoted = noted === inputs.length && inputs.every((input, i) => links[first + i] === input);
  expect(core, slot, noted < 0 || (isActive(state) && isNoted), "S-I21: inputs that are noted are those of the task");
  const users: TaskId[] = [];
  const batch = core.batchOf(slot);
  const dependents = (counts >> LINK_COUNT_BITS) - 1;
  const count = batch && dependents >= 0 ? batch.edges.dependents(cells[(slot << CELL) + TASK] as number, users) : -1;
  const areNoted = count === dependents && users.slice(0, count).every((user, i) => links[first + LINKS + i] === user);
  expect(
    core,
    slot,
    dependents < 0 || (isActive(state) && areNoted),
    "S-I21: dependents that are noted are those of the task",
  );
  checkNear(core, slot, inputs);
  const missing = inputs.filter((input) => core.columns.cells[(input << CELL) + STATE] !== MEMORY).length;
  if (state === WAITING)
    expect(
      core,
      slot,
      missing > 0 && core.columns.cells[(slot << CELL) + MISSING] === missing,
      "S-I1: a waiting task counts the inputs that are not in memory",
    );
  else if (isActive(state)) expect(core, slot, missing === 0, "S-I1: a ready or sent task has all inputs in memory");
  if (state === WAITING)
    expect(
      core,
      slot,
      !inputs.some((input) => core.columns.cells[(input << CELL) + STATE] === ERRED),
      "S-I9: no task waits for a failed one",
    );
}

/** Placement asks no input of a task where it is while this holds. */
function checkNear(core: Core, slot: Slot, inputs: readonly Slot[]): void {
  const { cells } = core.columns;
  const state = cells[(slot << CELL) + STATE];
  const near = cells[(slot << CELL) + PLACE] as number; // a slot given out
  if (!core.batchOf(slot)?.isNearKnown || (state !== WAITING && state !== QUEUED) || near < NEAR) return;
  const isThere = inputs.every(
    (input) => cells[(input << CELL) + STATE] !== MEMORY || cells[(input << CELL) + HOLDER] === near - NEAR,
  );
  expect(core, slot, isThere, "S-I22: inputs that are in memory are where it is noted");
}

function checkTask(core: Core, slot: Slot): void {
  const { columns } = core;
  const state = columns.cells[(slot << CELL) + STATE] as number; // a slot given out
  const worker = core.workers.get(columns.cells[(slot << CELL) + WORKER] as number);
  expect(
    core,
    slot,
    (state === PROCESSING) === (worker?.processing.has(slot) ?? false),
    "S-I5: a sent task is at exactly one living worker",
  );
  expect(
    core,
    slot,
    state !== PROCESSING || isColumn(core, slot, worker) !== (core.runs.get(columns.runIdOf(slot)) === slot),
    "S-I5: an attempt that was sent by itself leads to its task",
  );
  const holders = columns.holdersOf(slot);
  expect(
    core,
    slot,
    (state === MEMORY) === holders.length > 0,
    "S-I6: a task is in memory exactly if a worker holds it",
  );
  expect(
    core,
    slot,
    new Set(holders).size === holders.length && holders.every((index) => core.workers.get(index)?.has.has(slot)),
    "S-I6: holders and workers agree",
  );
  if (state === MEMORY || isActive(state))
    expect(core, slot, core.isNeeded(slot), "S-I7: what is computed or kept is needed");
  if (state === ERRED) expect(core, slot, core.failures.has(slot), "S-I9: a failed task says why");
  if (state === NO_WORKER)
    expect(
      core,
      slot,
      core.eligible(core.classOf(slot)).length === 0,
      "S-I10: a task without a worker has none that may run it",
    );
  if (core.config.noWorkersTimeoutMs !== null)
    expect(core, slot, core.unrunnable.has(slot) === (state === NO_WORKER), "S-C24: it is noted since when it waits");
}

/** S-I19. */
function checkChains(core: Core): void {
  const { columns } = core;
  const counts = new Map<WorkerState, number>();
  const inputs: Slot[] = [];
  const isAhead = (slot: Slot): boolean => ((columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_FOLLOWS) !== 0; // a slot given out
  for (let slot = 0; slot < columns.top; slot++) {
    if (columns.cells[(slot << CELL) + STATE] === FORGOTTEN || !isAhead(slot)) continue;
    const worker = core.workers.get(columns.cells[(slot << CELL) + WORKER] as number);
    expect(
      core,
      slot,
      columns.cells[(slot << CELL) + STATE] === WAITING && worker !== undefined,
      "S-I19: what follows waits at a worker",
    );
    if (!worker) continue;
    counts.set(worker, (counts.get(worker) ?? 0) + 1);
    const [input = -1] = core.knownDependencies(slot, inputs) === 1 ? inputs : [];
    const isThere =
      columns.cells[(input << CELL) + STATE] === PROCESSING ||
      (columns.cells[(input << CELL) + STATE] === WAITING && isAhead(input));
    expect(
      core,
      slot,
      isThere && columns.cells[(input << CELL) + WORKER] === worker.index,
      "S-I19: what follows a task waits where that task is, for it alone",
    );
  }
  const total = Array.from(counts.values()).reduce((sum, n) => sum + n, 0);
  expectThat(total === core.following, `S-I19: ${core.following} tasks follow, there are ${total}`);
  for (const worker of core.workers.values())
    expectThat(
      worker.following === (counts.get(worker) ?? 0),
      `S-I19: ${worker.facts.address} counts what follows there`,
    );
  expectThat(core.drawing.length === 0, "S-I19: after an event no chain is to be drawn");
}

/** S-I17. */
function checkBacklogs(core: Core): void {
  let waiting = 0;
  for (const worker of core.workers.values()) {
    waiting += worker.backlog.length;
    for (const slot of worker.backlog) {
      expect(core, slot, core.waitsFor.get(slot) === worker, "S-I17: a task waits for one worker");
      expect(
        core,
        slot,
        core.columns.cells[(slot << CELL) + STATE] === QUEUED,
        "S-I17: what waits for a worker is ready",
      );
      expect(core, slot, worker.status === "running", "S-I17: only running workers are waited for");
    }
  }
  expectThat(waiting === core.waitsFor.size, "S-I17: whoever waits stands in a backlog");
}

/** Sources at a worker of which one alone leaves more than may go ahead. */
function largeSources(core: Core, worker: WorkerState): number {
  const inputs: Slot[] = [];
  let count = 0;
  for (const slot of worker.processing) {
    const isLarge = needOf(core, slot) > core.config.sendAheadBytes && !worker.longRunning.has(slot);
    if (isLarge && core.dependencies(slot, inputs) === 0) count++;
  }
  return count;
}

function checkWorkers(core: Core): void {
  let runs = 0;
  const pairs = Array.from(core.arrivals.pairs());
  checkBacklogs(core);
  checkChains(core);
  for (const worker of core.workers.values()) {
    const { facts } = worker;
    for (const slot of worker.processing) if (!isColumn(core, slot, worker)) runs++;
    expectThat(
      loadOf(worker) + worker.following <= facts.nthreads + worker.aheadMost || worker.longRunning.size > 0,
      `S-I11: ${facts.address} has at most threads + ${worker.aheadMost} tasks`,
    );
    expectThat(
      core.config.saturation !== null || largeSources(core, worker) <= facts.nthreads + largeAhead(core, worker),
      `S-I11: ${facts.address} has at most threads + ${largeAhead(core, worker)} sources that leave much`,
    );
    let extra = 0;
    const arriving = pairs.flatMap((pair) => (pair.worker === worker.index ? [pair.slot] : []));
    expectThat(arriving.length === worker.arriving, `S-I12: ${facts.address} counts the blocks under way to it`);
    for (const slot of new Set([...worker.has, ...arriving])) {
      const batch = core.batchOf(slot);
      const isPrefix = batch?.state === "open" && (core.columns.cells[(slot << CELL) + RANK] as number) < batch.head;
      if (!isPrefix || batch?.taskClass.language === "js") extra += core.columns.nbytes[slot] as number;
    }
    for (const slot of worker.processing) if (!isHead(core, slot)) extra += needOf(core, slot);
    expectThat(
      Math.abs(extra - worker.extraBytes) < 1,
      `S-I12: ${facts.address} counts ${worker.extraBytes} extra bytes, there are ${extra}`,
    );
    expectThat(
      Number.isFinite(roomOf(core, worker)) === (facts.budgetBytes !== null && core.config.admission),
      "S-I12: room is finite with a budget",
    );
    for (const [name, used] of worker.resourcesUsed) {
      expectThat(
        used >= 0 && used <= (facts.resources.get(name) ?? 0),
        `S-I11: ${facts.address} uses ${used} of resource ${name}`,
      );
    }
  }
  expectThat(runs === core.runs.size, "S-I5: every attempt is at a worker");
}

/** The task was sent in a column. */
function isColumn(core: Core, slot: Slot, worker: WorkerState | undefined): boolean {
  const batch = core.batchOf(slot);
  return worker !== undefined && batch !== null && goesAsColumn(worker, batch);
}

function checkBatches(core: Core): void {
  let [least, inMemory] = [0, 0];
  for (const batch of core.batches) {
    if (!batch) continue;
    expectThat((batch.state !== "idle") === core.active.has(batch), `S-I13: batch ${batch.index} is ${batch.state}`);
    if (batch.state === "open") least += batch.leastBytes;
    if (batch.state === "open" && batch.isInMemory) inMemory++;
    const ranks = slotsOf(batch).flatMap((slot) =>
      isActive(core.columns.cells[(slot << CELL) + STATE] as number)
        ? [core.columns.cells[(slot << CELL) + RANK] as number]
        : [],
    );
    const first = Math.min(...ranks, batch.order.count);
    expectThat(
      batch.state === "idle" ? ranks.length === 0 && batch.walk.isDone : first === batch.head,
      `S-I13: head of batch ${batch.index} is ${batch.head}, its first active rank is ${first}`,
    );
    checkPages(core, batch);
    checkPieces(core, batch);
  }
  expectThat(
    least === core.openLeastBytes && inMemory === core.openInMemory,
    `S-I13: open batches need ${least} bytes (${inMemory} in memory), ${core.openLeastBytes} (${core.openInMemory}) are counted`,
  );
}

/** Slots that a batch has now. */
function slotsOf(batch: LayerBatch): Slot[] {
  return Array.from(batch.pages).flatMap((first, page) =>
    first < 0 ? [] : Array.from({ length: Math.min(PAGE, batch.count - page * PAGE) }, (_, i) => first + i),
  );
}

function checkPages(core: Core, batch: LayerBatch): void {
  const known = slotsOf(batch).filter((slot) => core.columns.cells[(slot << CELL) + STATE] !== FORGOTTEN);
  expectThat(
    known.length === batch.live,
    `S-I16: batch ${batch.index} has ${known.length} known tasks, not ${batch.live}`,
  );
  const byPage = new Uint8Array(batch.pages.length);
  for (const slot of known) {
    const task = core.columns.cells[(slot << CELL) + TASK] as number; // a slot given out
    byPage[task >>> PAGE_BITS] = (byPage[task >>> PAGE_BITS] as number) + 1;
  }
  expectThat(
    byPage.every((count, page) => count === batch.pageKnown[page]),
    `S-I16: batch ${batch.index} counts its known tasks by page`,
  );
  const early = known.filter((slot) => isPlanned(batch, core.columns.cells[(slot << CELL) + TASK] as number)).length;
  expectThat(
    early === batch.early || batch.walk.isDone,
    `S-I16: ${early} tasks of batch ${batch.index} are known early`,
  );
}

/** Nothing may stand still while something could run. */
function checkProgress(core: Core): void {
  for (const worker of core.workers.values()) if (loadOf(worker) > 0) return;
  for (let slot = 0; slot < core.columns.top; slot++) {
    if (core.columns.cells[(slot << CELL) + STATE] !== QUEUED || core.batchOf(slot)?.state === "pending") continue;
    const isStuck = core.eligible(core.classOf(slot)).length > 0;
    expect(core, slot, !isStuck, "S-I14: while all workers are idle no ready task waits");
  }
  const isPlannable = core.batches.some((batch) => batch?.state === "open" && !batch.walk.isDone);
  expectThat(!isPlannable || core.places === 0, "S-I14: while all workers are idle every open order goes on");
  const isPending = core.batches.some(
    (batch) => batch?.state === "pending" && core.eligible(batch.taskClass).length > 0,
  );
  expectThat(
    !isPending || core.batches.some((batch) => batch?.state === "open"),
    "S-I14: while all workers are idle no batch waits for bytes",
  );
}

/** S-I20. */
function checkPieces(core: Core, batch: LayerBatch): void {
  const { pieces, queue } = batch;
  if (!pieces) return;
  const all = [...Array.from(pieces.claims, ([, piece]) => piece), ...pieces.free].sort(
    (a, b) => a.from - b.from || a.to - b.to,
  );
  const isApart = all.every(
    (piece, i) => piece.from <= piece.to && (i === 0 || (all[i - 1] as Piece).to <= piece.from),
  ); // i > 0
  expectThat(isApart, `S-I20: pieces of batch ${batch.index} do not overlap`);
  for (const [worker] of pieces.claims)
    expectThat(core.workers.get(worker)?.status === "running", "S-I20: who has a piece is running");
  for (const slot of slotsOf(batch)) {
    const isRoot =
      ((core.columns.cells[(slot << CELL) + FLAGS] as number) & FLAG_ROOT) !== 0 &&
      core.columns.cells[(slot << CELL) + STATE] === QUEUED;
    const rank = core.columns.cells[(slot << CELL) + RANK] as number; // a slot given out
    expect(core, slot, isRoot === queue.roots.has(rank), "S-I20: a root that is ready waits among the roots");
    const isPlaced = rank >= pieces.covered || all.some(({ from, to }) => rank >= from && rank < to);
    expect(core, slot, !isRoot || isPlaced, "S-I20: a root that waits lies in a piece, or in none as yet");
  }
}

function expect(core: Core, slot: Slot, condition: boolean, message: string): void {
  if (condition) return;
  const isKnown = core.columns.cells[(slot << CELL) + STATE] !== FORGOTTEN || core.batchOf(slot) !== null;
  const key = isKnown ? core.keyOf(slot) : undefined;
  throw new InvariantError(`${message}; slot ${slot} ${isKnown ? core.show(slot) : ""} is ${core.stateName(slot)}`, {
    details: { key, story: key === undefined ? [] : core.story.of([key]) },
  });
}

function expectThat(condition: boolean, message: string): void {
  if (!condition) throw new InvariantError(message);
}
