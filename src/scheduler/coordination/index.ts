/** What clients and tasks coordinate themselves by: events, semaphores and locks, queues, variables, all by name. */
import type { Clock } from "../../base/index.ts";
import type { Handlers } from "../../comm/index.ts";
import type { CoordinationMessage } from "../../protocol/index.ts";
import type { Hub } from "../hub.ts";
import { eventHandlers } from "./events.ts";
import { Queues } from "./queues.ts";
import { type SemaphoreFigures, semaphoreTable } from "./semaphores.ts";
import { Variables } from "./variables.ts";

export type { SemaphoreFigures };

/** All four tables. */
export class Coordination {
  readonly handlers: Handlers;
  /** Semaphores and locks that are known now. */
  readonly semaphores: () => readonly SemaphoreFigures[];
  readonly #close: () => void;
  readonly #queues: Queues;
  readonly #variables: Variables;

  constructor(hub: Hub, clock: Clock) {
    this.#queues = new Queues(hub);
    this.#variables = new Variables(hub);
    const semaphores = semaphoreTable(clock);
    this.semaphores = semaphores.figures;
    this.#close = semaphores.close;
    this.handlers = {
      ...eventHandlers(),
      ...semaphores.handlers,
      ...this.#queues.handlers(),
      ...this.#variables.handlers(),
    };
  }

  /** Stop timers. */
  close(): void {
    this.#close();
  }

  /** A message of a client's stream. */
  hear(message: CoordinationMessage, client: string): void {
    switch (message.op) {
      case "queue-future-release":
        return this.#queues.taken(message.name, message.key, client);
      case "queue_release":
        return this.#queues.release(message.name);
      case "variable-future-received-confirm":
        return this.#variables.received(message.key, message.token, client);
      case "variable_delete":
        return this.#variables.delete(message.name);
    }
  }
}
