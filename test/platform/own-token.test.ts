/** The token by which the command on the server's own machine gets in. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { isLoopbackHost, loopbackOf, readOwnToken, writeOwnToken } from '../../platform/own-token';
import { scratchFolder } from '../helpers/scratch';

test('it is for its owner alone, new each time, and made with the home where that is not there', () => {
  const home = join(scratchFolder(), 'home');
  expect(readOwnToken(home)).toBeUndefined();
  writeOwnToken(home);
  const first = readOwnToken(home);
  expect(first).toMatch(/^bursar_local_[0-9a-f]{64}$/);
  expect(statSync(join(home, 'own-token')).mode & 0o777).toBe(0o600);
  writeOwnToken(home);
  expect(readOwnToken(home)).not.toBe(first);
});

test.each(['127.0.0.1', '127.1.2.3', 'localhost', '::1', '[::1]'])('%s is this machine alone', (host) => {
  expect(isLoopbackHost(host)).toBe(true);
  expect(loopbackOf(host)).toBe(host);
});

test.each(['0.0.0.0', '::', '10.0.0.1', '127.0.0.1.evil.example', 'localhost.evil', 'bursar'])(
  '%s is not; what asks for no key stays on 127.0.0.1 then',
  (host) => {
    expect(isLoopbackHost(host)).toBe(false);
    expect(loopbackOf(host)).toBe('127.0.0.1');
  },
);
