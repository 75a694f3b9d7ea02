/** Who gets in, and by what certificate: the part of the configuration that is in files of its own, read at the start. */
import { type Certificate, complaintOf, readCertificate, UnusableFile } from '../platform/certificate';
import type { Exposure } from '../platform/config/exposure';
import { given } from '../domain/given';
import type { Log } from '../platform/log';
import type { ApiDeps } from './env';
import { renewCertificate, type Server } from './server';
import { openTokens, type Tokens } from './token';

export interface Door {
  /** Undefined: plain HTTP. */
  certificate?: Certificate;
  /** Undefined: keys only. */
  tokens?: Tokens;
  /** What the app has to know of it. */
  deps: Pick<ApiDeps, 'auth' | 'origins' | 'trustedProxies' | 'rateLimits' | 'isTls'>;
  /** The server whose certificate is renewed. */
  serve(server: Server): void;
  /** Reads the certificate again. One that cannot be used changes nothing. */
  renew(): void;
}

/** Undefined where a file cannot be used; the log says which, and why. */
export function openDoor(exposure: Exposure, log: Log): Door | undefined {
  const { tlsEnabled, tlsCertFile: certFile, tlsKeyFile: keyFile, authEnabled } = exposure;
  // Both are there where TLS is on: the configuration would have been refused without.
  const files = tlsEnabled && certFile !== undefined && keyFile !== undefined ? { certFile, keyFile } : undefined;
  let server: Server | undefined;

  const read = (): Certificate | undefined => {
    if (files === undefined) return undefined;
    const certificate = readCertificate(files);
    const facts = { certFile: files.certFile, names: certificate.names, endsAt: certificate.endsAt.toISOString() };
    const complaint = complaintOf(certificate, Date.now());
    if (complaint === 'soon') log.warn(facts, 'certificate ends soon');
    else if (complaint !== undefined) log.error(facts, 'certificate is not valid now');
    return certificate;
  };

  try {
    const certificate = read();
    let served = certificate;
    const tokens = authEnabled ? openTokens(exposure) : undefined;
    return {
      ...given({ certificate, tokens }),
      deps: {
        auth: { isRequired: authEnabled, ...given({ tokens }) },
        origins: exposure.corsEnabled ? (exposure.corsOrigins ?? []) : [],
        trustedProxies: exposure.trustedProxies,
        rateLimits: exposure.rateLimits,
        isTls: tlsEnabled,
      },
      serve: (serving) => (server = serving),
      renew() {
        try {
          const renewed = read();
          if (renewed === undefined || server === undefined) return;
          if (served && renewed.cert.equals(served.cert) && renewed.key.equals(served.key)) {
            return log.info({ endsAt: renewed.endsAt.toISOString() }, 'certificate unchanged');
          }
          renewCertificate(server, renewed);
          served = renewed;
          log.info({ names: renewed.names, endsAt: renewed.endsAt.toISOString() }, 'certificate renewed');
        } catch (error) {
          if (!(error instanceof UnusableFile)) throw error;
          log.error({ mistakes: error.mistakes }, 'certificate not renewed');
        }
      },
    };
  } catch (error) {
    if (!(error instanceof UnusableFile)) throw error;
    log.fatal({ mistakes: error.mistakes }, 'a key or certificate cannot be used');
    return undefined;
  }
}
