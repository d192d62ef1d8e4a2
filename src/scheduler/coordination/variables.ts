/** Variables by name, shared by clients: one value or future each (Dask's `VariableExtension`). */
import { randomUUID } from "node:crypto";
import { ClusterError } from "../../base/index.ts";
import type { Handlers } from "../../comm/index.ts";
import type { Key } from "../../graph/index.ts";
import type { Hub } from "../hub.ts";
import { type Held, Keeper } from "./records.ts";
import { nameIn, secondsOf, Waiters } from "./waiters.ts";

interface Variable {
  held: Held | null;
  readonly waiters: Waiters<true>;
}

/** The variables and the handlers over them. */
export class Variables {
  readonly #variables = new Map<string, Variable>();
  readonly #keeper: Keeper;

  constructor(hub: Hub) {
    this.#keeper = new Keeper(hub);
  }

  handlers(): Handlers {
    return {
      variable_set: async (request) => {
        const name = nameIn(request);
        const held = await this.#keeper.hold(request, client(name));
        const variable = this.#at(name);
        const old = variable.held;
        variable.held = held;
        if (old?.type === "Future") this.#keeper.drop(old.key, client(name));
        variable.waiters.giveAll(true);
        return null;
      },
      variable_get: async (request, comm) => {
        const name = nameIn(request);
        const variable = this.#at(name);
        const seconds = secondsOf(request);
        try {
          while (variable.held === null)
            if ((await variable.waiters.wait(seconds, comm)) === null)
              throw new ClusterError("timeout", `variable ${name} was not set within ${seconds} s`);
          return { ...this.#keeper.record(variable.held), token: randomUUID() };
        } finally {
          this.#forget(name, variable);
        }
      },
    };
  }

  /** A client has taken the key of the future that it read. */
  received(key: Key, by: string): void {
    this.#keeper.handOver(key, by);
  }

  delete(name: unknown): void {
    const text = JSON.stringify(name);
    const variable = this.#variables.get(text);
    if (!variable) return;
    if (variable.held?.type === "Future") this.#keeper.drop(variable.held.key, client(text));
    variable.held = null;
    this.#forget(text, variable);
  }

  /** One without a value that nobody waits for is none; those who wait hear of the next value of its name. */
  #forget(name: string, variable: Variable): void {
    if (variable.held === null && variable.waiters.size === 0 && this.#variables.get(name) === variable)
      this.#variables.delete(name);
  }

  #at(name: string): Variable {
    const known = this.#variables.get(name) ?? { held: null, waiters: new Waiters<true>() };
    this.#variables.set(name, known);
    return known;
  }
}

/** Client in whose name the variable wants its key. */
function client(name: string): string {
  return `variable-${name}`;
}
