/**
 * Certificates for tests, made by openssl in a folder of the test's own: no name or date of theirs means anything.
 *
 * @module
 */
import { execFileSync } from "node:child_process";
import { chmodSync } from "node:fs";
import { join } from "node:path";

export type TestCertificate = { readonly cert: string; readonly key: string };

/** @param at - the moment that openssl takes for the present, by `faketime` */
function run(args: readonly string[], at?: string): void {
  const [program = "", ...rest] = [...(at === undefined ? [] : ["faketime", at]), "openssl", ...args];
  execFileSync(program, rest, { stdio: ["ignore", "ignore", "pipe"] });
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"] as const;
const ALT_NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost";

/** A self-signed certificate for loopback. With `key`, one for that key; an expired one was over in 2020. */
export function selfSigned(
  folder: string,
  name: string,
  { key, expired = false }: { readonly key?: string; readonly expired?: boolean } = {},
): TestCertificate {
  const files = { cert: join(folder, `${name}.pem`), key: key ?? join(folder, `${name}.key`) };
  const keyOptions = key === undefined ? [...NEW_KEY, "-keyout", files.key] : ["-key", key];
  const names = ["-subj", `/CN=${name}`, "-addext", ALT_NAMES];
  const request = ["req", "-x509", ...keyOptions, "-out", files.cert, "-days", "30", ...names];
  run(request, expired ? "2020-01-01 00:00:00" : undefined);
  chmodSync(files.key, 0o600);
  return files;
}

/** An authority, and what it signs: client certificates carry `commonName` as their subject. */
export function authority(
  folder: string,
  name = "authority",
): {
  readonly ca: string;
  readonly issue: (file: string, commonName: string) => TestCertificate;
  /** A certificate for a key that somebody else keeps, of which the public half is here; returns its file. */
  readonly certify: (file: string, commonName: string, publicKey: string) => string;
} {
  const ca = selfSigned(folder, name);
  return {
    ca: ca.cert,
    certify(file, commonName, publicKey) {
      const cert = join(folder, `${file}.pem`);
      const signedBy = ["-CA", ca.cert, "-CAkey", ca.key, "-days", "30"];
      run([
        "x509",
        "-new",
        "-force_pubkey",
        publicKey,
        "-subj",
        `/CN=${commonName}`,
        ...signedBy,
        "-out",
        cert,
      ]);
      return cert;
    },
    issue(file, commonName) {
      const files = { cert: join(folder, `${file}.pem`), key: join(folder, `${file}.key`) };
      const request = join(folder, `${file}.csr`);
      // a slash parts the fields of a subject: the device's name has one, so it is escaped
      const subject = `/CN=${commonName.replaceAll("/", "\\/")}`;
      const names = ["-subj", subject, "-addext", ALT_NAMES];
      run(["req", ...NEW_KEY, "-keyout", files.key, "-out", request, ...names]);
      const signedBy = ["-CA", ca.cert, "-CAkey", ca.key, "-CAcreateserial", "-days", "30"];
      run(["x509", "-req", "-in", request, ...signedBy, "-copy_extensions", "copy", "-out", files.cert]);
      chmodSync(files.key, 0o600);
      return files;
    },
  };
}
