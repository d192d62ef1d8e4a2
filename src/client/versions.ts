/** What runs a cluster: software and versions of its scheduler, of its workers and of this client. */
import { RemoteProtocolError } from "../base/index.ts";
import { packageVersion } from "../config/index.ts";
import { VERSIONS } from "../protocol/index.ts";
import type { Link } from "./link.ts";
import { askScheduler } from "./operate.ts";

/** Versions by what has them: `rsdat`, `node`, `python`, packages, `OS`. */
export type SoftwareVersions = ReadonlyMap<string, string>;

/** Versions of a cluster. */
export interface ClusterVersions {
  readonly scheduler: SoftwareVersions;
  /** By address; a worker that does not answer is left out. */
  readonly workers: ReadonlyMap<string, SoftwareVersions>;
  readonly client: SoftwareVersions;
}

/** As `Client.getVersions`. */
export async function clusterVersions(link: Link): Promise<ClusterVersions> {
  const workers = await askScheduler(link, {
    op: "broadcast",
    msg: { op: "versions" },
    workers: null,
    hosts: null,
    nanny: false,
    on_error: "ignore",
  });
  if (!(workers instanceof Map)) throw new RemoteProtocolError("answer to broadcast: expected answers by worker");
  return {
    scheduler: versionsIn(await askScheduler(link, VERSIONS.ask({}))),
    workers: new Map(Array.from(workers, ([address, told]) => [String(address), versionsIn(told)] as const)),
    client: new Map([
      ["rsdat", packageVersion()],
      ["node", process.versions.node],
    ]),
  };
}

/** Host and packages in one; a Python package that is not there has no version. */
function versionsIn(told: unknown): SoftwareVersions {
  const { host, packages } = VERSIONS.parseAnswer(told);
  return new Map(
    [...host, ...packages].flatMap(([name, version]) =>
      typeof version === "string" ? [[String(name), version] as const] : [],
    ),
  );
}
