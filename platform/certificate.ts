/** The certificate of the server: read from its files, and looked at before anybody is served with it. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createSecureContext } from 'node:tls';
import { codeOf } from '../domain/code-of';

export interface CertificateFiles {
  certFile: string;
  keyFile: string;
}

export interface Certificate {
  cert: Buffer;
  key: Buffer;
  /** What it is for: `DNS:bursar.example.org, IP Address:10.0.0.1`. */
  names: string;
  startsAt: Date;
  endsAt: Date;
}

/** A file that cannot be used as it is; `mistakes` says all that is wrong, and what to do. */
export class UnusableFile extends Error {
  override name = 'UnusableFile';
  constructor(readonly mistakes: readonly string[]) {
    super(mistakes.join('; '));
  }
}

/** `UnusableFile` where they are no pair. Whether it is still good is left to `complaintOf`. */
export function readCertificate({ certFile, keyFile }: CertificateFiles): Certificate {
  const mistakes: string[] = [];
  const cert = contentOf(certFile, mistakes);
  const key = contentOf(keyFile, mistakes);
  if (key !== undefined && (statSync(keyFile).mode & 0o007) !== 0) {
    mistakes.push(`${keyFile} can be read or changed by everybody on this machine; chmod o= takes that away`);
  }
  const x509 = cert && parsed(() => new X509Certificate(cert), `${certFile} is no certificate in PEM`, mistakes);
  const privateKey = key && parsed(() => createPrivateKey(key), `${keyFile} is no private key in PEM`, mistakes);
  if (x509 && privateKey && !x509.checkPrivateKey(privateKey)) {
    mistakes.push(`${keyFile} is not the key of the certificate in ${certFile}`);
  }
  if (cert && key && mistakes.length === 0) {
    // What is behind the first certificate, and keys that are too small for TLS.
    parsed(() => createSecureContext({ cert, key }), `${certFile} and ${keyFile} cannot be used`, mistakes);
  }
  if (!cert || !key || !x509 || mistakes.length > 0) throw new UnusableFile(mistakes);
  return {
    cert,
    key,
    names: x509.subjectAltName ?? x509.subject,
    startsAt: new Date(x509.validFrom),
    endsAt: new Date(x509.validTo),
  };
}

const SOON_MS = 14 * 86_400_000;

/** Why clients do not take it, or soon will not. It is served all the same: those that do not look are better off. */
export function complaintOf({ startsAt, endsAt }: Certificate, now: number): 'expired' | 'early' | 'soon' | undefined {
  if (endsAt.getTime() <= now) return 'expired';
  if (startsAt.getTime() > now) return 'early';
  return endsAt.getTime() - now < SOON_MS ? 'soon' : undefined;
}

function contentOf(path: string, mistakes: string[]): Buffer | undefined {
  return parsed(() => readFileSync(path), `${path} cannot be read`, mistakes);
}

function parsed<T>(read: () => T, whatIsWrong: string, mistakes: string[]): T | undefined {
  try {
    return read();
  } catch (error) {
    const code = codeOf(error);
    mistakes.push(code === '' ? whatIsWrong : `${whatIsWrong} (${code})`);
    return undefined;
  }
}
