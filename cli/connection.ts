/** How a server is reached: with which key, on whose word where it is https, and how long is waited for it. */
import { readFileSync } from 'node:fs';
import { clientSettings } from '../platform/config';
import { isLoopbackHost, readOwnToken } from '../platform/own-token';
import type { Exchange } from './client';
import { EXIT, Stop } from './exit';
import type { Io } from './io';

export interface ConnectionOptions {
  tokenFile?: string;
  caFile?: string;
  timeout?: string;
}

export const wayTo = (endpoint: string, options: ConnectionOptions, env: Io['env']) => ({
  token: tokenFor(endpoint, options, env),
  ca: certificates(options, env),
  timeoutMs: timeoutMs(options),
});

/**
 * The API key: of --token-file, BURSAR_TOKEN or ASBB_TOKEN; else, for a server on this machine, the token in its home. That
 * one goes nowhere else: it opens everything.
 */
function tokenFor(endpoint: string, { tokenFile }: ConnectionOptions, env: Io['env']): string | undefined {
  if (tokenFile !== undefined) return readTokenFile(tokenFile);
  const said = env.BURSAR_TOKEN || env.ASBB_TOKEN;
  if (said) return said;
  const isHere = URL.canParse(endpoint) && isLoopbackHost(new URL(endpoint).hostname);
  return isHere ? readOwnToken(clientSettings(env).home) : undefined;
}

function readTokenFile(file: string): string {
  let token: string;
  try {
    token = readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new Stop(EXIT.usage, `--token-file: ${error instanceof Error ? error.message : file}.`);
  }
  if (!/^[\x21-\x7e]+$/.test(token)) {
    throw new Stop(EXIT.usage, `--token-file: ${file} has no API key in it, on one line and nothing else.`);
  }
  return token;
}

/** Who may vouch for an https server, in place of those that Node trusts. */
function certificates({ caFile }: ConnectionOptions, env: Io['env']): string | undefined {
  const file = caFile ?? env.BURSAR_CA_FILE;
  if (!file) return undefined;
  const saidBy = caFile === undefined ? 'BURSAR_CA_FILE' : '--ca-file';
  try {
    const ca = readFileSync(file, 'utf8');
    if (!ca.includes('-----BEGIN CERTIFICATE-----')) throw new Error(`${file} has no certificate in it, in PEM`);
    // Read here, where it can be said which file is wrong, and not in the middle of a request.
    (require('node:tls') as typeof import('node:tls')).createSecureContext({ ca });
    return ca;
  } catch (error) {
    throw new Stop(EXIT.usage, `${saidBy}: ${error instanceof Error ? error.message : file}.`);
  }
}

function timeoutMs({ timeout = '30' }: ConnectionOptions): number {
  const seconds = Number(timeout);
  if (!(seconds > 0 && seconds <= 3600)) {
    throw new Stop(EXIT.usage, `--timeout takes seconds between 0 and 3600, not "${timeout}".`);
  }
  return seconds * 1000;
}

/** `GET /api/v1/accounts?limit=50: 200 in 12 ms, 1840 bytes, request 01J…` */
export const describeExchange = ({ method, path, outcome, tookMs, bytes, requestId }: Exchange): string =>
  [
    `${method} ${path}: ${outcome} in ${tookMs} ms`,
    ...(bytes === undefined ? [] : [`${bytes} bytes`]),
    ...(requestId === undefined ? [] : [`request ${requestId}`]),
  ].join(', ');
