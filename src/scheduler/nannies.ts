/**
 * Nannies of rsdat workers, and the plugins for them. A nanny keeps one connection here, which it opened: it listens on no
 * port. Questions go to it over that, one after the other. Nannies of Dask's are told that there is no plugin for them.
 */
import { ArgumentError, errorToRecord, UnsupportedError } from "../base/index.ts";
import { type Comm, type Handler, NO_REPLY } from "../comm/index.ts";
import { isNativePlugin } from "../protocol/index.ts";
import type { Hub } from "./hub.ts";
import { KeptPlugins } from "./kept-plugins.ts";

/** Time that a nanny has for a plugin, and for starting its worker anew. */
const SETUP_MS = 600_000;

/** One nanny's connection. */
interface Nanny {
  readonly name: string;
  readonly comm: Comm;
  /** The question before has been answered, or given up. */
  free: Promise<unknown>;
}

/** The nannies that are connected. */
export class Nannies {
  readonly #hub: Hub;
  readonly #kept = new KeptPlugins();
  readonly #nannies = new Set<Nanny>();

  constructor(hub: Hub) {
    this.#hub = hub;
  }

  /** Handlers by op. */
  handlers(): Record<string, Handler> {
    return {
      register_nanny: (request, comm) => this.#join(String(request.get("address")), comm),
      register_nanny_plugin: (request) => this.#register(request),
      unregister_nanny_plugin: (request) => this.#unregister(String(request.get("name"))),
    };
  }

  async #join(name: string, comm: Comm): Promise<typeof NO_REPLY> {
    const isOurs = comm.handshake.rsdat !== undefined;
    comm.send({ status: "OK", "nanny-plugins": isOurs ? new Map(this.#kept) : new Map() });
    if (!isOurs) {
      await comm.next(); // it says that its worker runs, and leaves
      return NO_REPLY;
    }
    const nanny: Nanny = { name, comm, free: Promise.resolve() };
    this.#nannies.add(nanny);
    await comm.closed;
    this.#nannies.delete(nanny);
    return NO_REPLY;
  }

  async #register(request: ReadonlyMap<unknown, unknown>): Promise<unknown> {
    const given = request.get("plugin");
    if (given instanceof Uint8Array && !isNativePlugin(given))
      throw new UnsupportedError(
        "nanny plugins of Python are pickled code for Python nannies, which this scheduler does not keep; give worker processes their environment where they are started",
      );
    const kept = this.#kept.keep(request);
    return kept ? this.#tell({ op: "plugin_add", ...kept }) : new Map();
  }

  async #unregister(name: string): Promise<unknown> {
    if (!this.#kept.delete(name)) throw new ArgumentError(`the nanny plugin ${name} does not exist`);
    return this.#tell({ op: "plugin_remove", name });
  }

  /** One question to all nannies; answers by name, of those that fail too. */
  async #tell(question: Record<string, unknown>): Promise<Map<string, unknown>> {
    const answers = Array.from(this.#nannies, async (nanny): Promise<[string, unknown]> => {
      const answer = nanny.free.then(() => ask(nanny, question));
      nanny.free = answer.catch(() => undefined); // whoever asked hears of it
      try {
        return [nanny.name, await answer];
      } catch (error) {
        this.#hub.logger.warning(`nanny ${nanny.name} did not answer ${question.op}: ${errorToRecord(error).message}`);
        return [nanny.name, { status: "error", message: errorToRecord(error).message }];
      }
    });
    return new Map(await Promise.all(answers));
  }
}

async function ask({ comm }: Nanny, question: Record<string, unknown>): Promise<unknown> {
  comm.send({ ...question, reply: true });
  try {
    return await comm.next(AbortSignal.timeout(SETUP_MS));
  } catch (error) {
    await comm.close(); // a late answer would be taken for that to the next question
    throw error;
  }
}
