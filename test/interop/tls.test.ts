/** Dask's mutual TLS, both ways: our processes and Python's on one port, with certificates made for this run. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { Client, py } from "../../src/client/index.ts";
import { type Certificates, makeCertificates } from "../certificates.ts";
import { describePeer, PYTHON, runPython } from "../peers.ts";
import { start, startRsdat } from "../processes.ts";

const folder = mkdtempSync(join(tmpdir(), "rsdat-tls-interop-"));
let own: Certificates;
let foreign: Certificates;
beforeAll(() => {
  own = makeCertificates(folder, "own");
  foreign = makeCertificates(folder, "foreign");
});
afterAll(() => rmSync(folder, { recursive: true }));

const flags = ({ ca, cert, key }: Certificates): string[] => [
  "--tls-ca-file",
  ca,
  "--tls-cert",
  cert,
  "--tls-key",
  key,
];
const security = ({ ca, cert, key }: Certificates) => ({ caFile: ca, cert, key });
const DASK = join(dirname(PYTHON), "dask");

/** A Python client that submits one task; prints its result, or the name of what it got instead. */
const CLIENT = `
import sys
from distributed import Client
from distributed.security import Security
address, ca, cert, key = sys.argv[1:5]
security = Security(tls_ca_file=ca, tls_client_cert=cert, tls_client_key=key, require_encryption=True) if ca else None
try:
    with Client(address, security=security, timeout=float(sys.argv[5])) as client:
        print(client.submit(sum, [1, 2, 3], pure=False).result(timeout=120), client.scheduler.address.split(":")[0])
except (OSError, TimeoutError) as error:
    print("refused:", type(error).__name__)
`;

describePeer("TLS with Dask", ["dask", "distributed"], () => {
  test("a scheduler of ours serves Python workers and clients, and refuses strangers and plaintext", async () => {
    const common = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--protocol", "tls"];
    await using scheduler = startRsdat(["scheduler", ...common, ...flags(own)]);
    const [, address = ""] = await scheduler.waitFor(/scheduler at (tls:[\d./:]+)/);
    await using worker = start(DASK, [
      ...["worker", address, "--nthreads", "1", "--no-nanny", "--no-dashboard", "--protocol", "tls"],
      ...flags(own),
    ]);
    await worker.waitFor(/Registered to:\s+tls:/);
    const { ca, cert, key } = own;
    const python = (to: string, ...rest: string[]): Promise<string> =>
      runPython(["-c", CLIENT, to, ...rest], { timeoutMs: 240_000 });
    const [served, stranger, plain] = await Promise.all([
      python(address, ca, cert, key, "120"),
      python(address, foreign.ca, foreign.cert, foreign.key, "3"),
      python(address.replace("tls://", "tcp://"), "", "", "", "3"),
    ]);
    expect(served.trim()).toBe("6 tls");
    expect(stranger).toMatch(/^refused:/);
    expect(plain).toMatch(/^refused:/);
    // Our client gathers from the Python worker, which listens on tls:// as well.
    await using client = await Client.connect(address, { security: security(own) });
    const future = await client.submit(py("operator.add"), [40, 2]);
    expect(await future.result()).toBe(42);
    expect((await client.whoHas([future]))[0]?.[0]).toMatch(/^tls:/);
    await expect(Client.connect(address, { security: security(foreign), timeout: 60 })).rejects.toMatchObject({
      code: "tls",
    });
  });

  test("a worker and a client of ours work with Dask's scheduler", async () => {
    await using scheduler = start(DASK, [
      ...["scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-jupyter", "--protocol", "tls"],
      ...flags(own),
    ]);
    const [, address = ""] = await scheduler.waitFor(/Scheduler at:\s+(tls:\/\/\S+)/);
    await using worker = startRsdat([
      ...[
        "worker",
        address,
        "--nthreads",
        "1",
        "--memory-limit",
        "512MiB",
        "--allow-insecure",
        "--death-timeout",
        "100s",
      ],
      ...flags(own),
    ]);
    await using stranger = startRsdat([
      ...["worker", address, "--nthreads", "1", "--memory-limit", "512MiB", "--death-timeout", "100s"],
      ...flags(foreign),
    ]);
    await worker.waitFor(/registered to tls:/);
    await using client = await Client.connect(address, { security: security(own) });
    expect(await (await client.submit((a: number) => a * 2, [21])).result()).toBe(42);
    expect(await stranger.exit).toBe(1);
    expect(stranger.output()).toMatch(/^rsdat: .*authority/m);
    await expect(Client.connect(address.replace("tls://", "tcp://"), { timeout: 5 })).rejects.toMatchObject({
      code: expect.stringMatching(/^(remote-protocol|connect-timeout)$/),
    });
  });
});
