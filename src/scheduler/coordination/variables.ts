/** Variables by name, shared by clients: one value or future each (Dask's `VariableExtension`). */
import { randomUUID } from "node:crypto";
import { ClusterError } from "../../base/index.ts";
import type { Comm, Handlers } from "../../comm/index.ts";
import type { Key } from "../../graph/index.ts";
import type { Hub } from "../hub.ts";
import { holderOf } from "../own-clients.ts";
import { type Held, Keeper } from "./records.ts";
import { atClose, nameIn, secondsOf, Waiters } from "./waiters.ts";

interface Variable {
  held: Held | null;
  readonly waiters: Waiters<true>;
}

/** The variables and the handlers over them. */
export class Variables {
  /** Readers who were told of a future and have not said that they have it, by token: it is kept for them. */
  readonly #readings = new Map<string, () => void>();
  readonly #variables = new Map<string, Variable>();
  readonly #keeper: Keeper;

  constructor(hub: Hub) {
    this.#keeper = new Keeper(hub);
  }

  handlers(): Handlers {
    return {
      variable_set: async (request) => {
        const name = nameIn(request);
        const held = await this.#keeper.hold(request, holderOf("variable", name));
        const variable = this.#at(name);
        const old = variable.held;
        variable.held = held;
        if (old?.type === "Future") this.#keeper.drop(old.key, holderOf("variable", name));
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
          const token = randomUUID();
          if (variable.held.type === "Future") this.#readingBy(comm, token, { name, key: variable.held.key });
          return { ...this.#keeper.record(variable.held), token };
        } finally {
          this.#forget(name, variable);
        }
      },
    };
  }

  /** A client has taken the key of the future that it read. */
  received(key: Key, token: string, by: string): void {
    this.#keeper.handOver(key, by);
    this.#readings.get(token)?.();
  }

  #readingBy(comm: Comm, token: string, { name, key }: { readonly name: string; readonly key: Key }): void {
    const holder = holderOf("variable", name);
    this.#keeper.keep(key, holder);
    const end = (): void => {
      leave();
      this.#readings.delete(token);
      this.#keeper.drop(key, holder);
    };
    const leave = atClose(comm, end);
    this.#readings.set(token, end);
  }

  delete(name: unknown): void {
    const text = JSON.stringify(name);
    const variable = this.#variables.get(text);
    if (!variable) return;
    if (variable.held?.type === "Future") this.#keeper.drop(variable.held.key, holderOf("variable", text));
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
