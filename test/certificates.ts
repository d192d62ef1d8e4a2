/** Certificates made for one test run by `openssl`: an authority, and one certificate for each role. */
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";

/** Paths of one authority's files. */
export interface Certificates {
  readonly ca: string;
  readonly cert: string;
  readonly key: string;
}

/** A new authority in `folder`, and a certificate that it has signed. */
export function makeCertificates(folder: string, name: string): Certificates {
  const home = join(folder, name);
  mkdirSync(home, { recursive: true });
  const file = (ending: string): string => join(home, ending);
  const openssl = (...args: string[]): void => void execFileSync("openssl", args, { stdio: "pipe" });
  const ec = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl(
    ...["req", "-x509", ...ec, "-keyout", file("ca.key"), "-out", file("ca.pem")],
    ...["-days", "2", "-subj", `/CN=authority ${name}`],
  );
  openssl("req", ...ec, "-keyout", file("key.pem"), "-out", file("request.pem"), "-subj", `/CN=${name}`);
  openssl(
    ...["x509", "-req", "-in", file("request.pem"), "-CA", file("ca.pem"), "-CAkey", file("ca.key")],
    ...["-CAcreateserial", "-days", "2", "-out", file("cert.pem")],
  );
  return { ca: file("ca.pem"), cert: file("cert.pem"), key: file("key.pem") };
}

/** Dask's settings for these certificates, as variables of the environment. */
export function tlsEnvironment({ ca, cert, key }: Certificates): Record<string, string> {
  const out: Record<string, string> = {
    DASK_DISTRIBUTED__COMM__REQUIRE_ENCRYPTION: "True",
    DASK_DISTRIBUTED__COMM__TLS__CA_FILE: ca,
  };
  for (const role of ["SCHEDULER", "WORKER", "CLIENT"]) {
    out[`DASK_DISTRIBUTED__COMM__TLS__${role}__CERT`] = cert;
    out[`DASK_DISTRIBUTED__COMM__TLS__${role}__KEY`] = key;
  }
  return out;
}
