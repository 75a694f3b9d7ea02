/** `bursar key` and `bursar changes`, and how the command finds its key. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openLedger } from '../../ledger';
import { ensureBuilt } from '../helpers/built';
import { freshDatabase } from '../helpers/database';
import { scratchFolder } from '../helpers/scratch';
import { runBursar, startCli, type TestCli } from './helpers/cli';

let cli: TestCli;
let key: string;
beforeAll(async () => {
  cli = await startCli();
  await cli.api.account('climate');
  const made = await cli.works('key', 'create', 'rkaur', '--scope', 'admin', '--json');
  key = (made.json as { key: string }).key;
});
afterAll(() => cli.stop());

const withKey = (env: Record<string, string>, ...args: string[]) => runBursar(args, { endpoint: cli.url, env });

test('without a key it says where to get one and where to put it', async () => {
  const { code, err } = await cli.bursar('account', 'list');
  expect(code).toBe(1);
  expect(err).toContain('API key');
  expect(err).toContain('BURSAR_TOKEN or --token-file');
});

test('the key comes from a file, BURSAR_TOKEN or ASBB_TOKEN, in this order', async () => {
  const file = join(scratchFolder(), 'key');
  writeFileSync(file, `${key}\n`, { mode: 0o600 });
  for (const env of [{ BURSAR_TOKEN: key }, { ASBB_TOKEN: key }, { BURSAR_TOKEN: key, ASBB_TOKEN: 'other' }]) {
    expect(await withKey(env, 'account', 'list')).toMatchObject({ code: 0 });
  }
  expect(await withKey({ BURSAR_TOKEN: 'other' }, '--token-file', file, 'account', 'list')).toMatchObject({ code: 0 });
  expect(await withKey({ BURSAR_TOKEN: 'other', ASBB_TOKEN: key }, 'account', 'list')).toMatchObject({ code: 1 });
});

test('a file that is not there, or holds no key, is said before anything is asked', async () => {
  const file = join(scratchFolder(), 'key');
  expect(await withKey({}, '--token-file', file, 'account', 'list')).toMatchObject({ code: 2, out: '' });
  writeFileSync(file, 'two words\n');
  const { code, err } = await withKey({}, '--token-file', file, 'account', 'list');
  expect({ code, err }).toMatchObject({ code: 2, err: expect.stringContaining('no API key in it') });
});

test("the token of the machine's own home goes to this machine only", async () => {
  const home = scratchFolder();
  writeFileSync(join(home, 'own-token'), `${key}\n`, { mode: 0o600 });
  expect(await withKey({ BURSAR_HOME: home }, 'account', 'list')).toMatchObject({ code: 0 });
  const named = await withKey({ BURSAR_HOME: home, BURSAR_URL: 'http://bursar.invalid:1' }, 'account', 'list');
  expect(named.code).not.toBe(0);
});

test('keys are made, listed without their secrets, and revoked', async () => {
  const env = { BURSAR_TOKEN: key };
  const made = await withKey(env, 'key', 'create', 'portal', '--scope', 'estimate', '--expires', '2099-01-01');
  expect(made.out).toMatch(/not shown again\.[^]*bursar_[0-9a-f]{12}_[0-9a-f]{64}[^]*estimate[^]*2099-01-01/);
  const listed = await withKey(env, 'key', 'list');
  expect(listed.out).toMatch(/portal .*estimate .*active .*never/);
  expect(listed.out).not.toContain(made.out.match(/[0-9a-f]{64}/)?.[0]);
  expect(await withKey(env, 'key', 'create', 'h', '--scope', 'hook')).toMatchObject({
    code: 2,
    err: expect.stringContaining('cluster'),
  });
  expect(await withKey(env, 'key', 'revoke', 'portal')).toMatchObject({ code: 0 });
  expect((await withKey(env, 'key', 'list')).out).toMatch(/portal .*revoked/);
  expect(await withKey(env, 'key', 'revoke', 'nothing')).toMatchObject({ code: 4 });
});

test('a token is signed where the secret is, and every mistake is said before', async () => {
  const env = { BURSAR_AUTH_ENABLED: 'true', BURSAR_AUTH_JWT_SECRET: 'x'.repeat(32), BURSAR_AUTH_JWT_EXPIRY: '8h' };
  const sign = (...args: string[]) => runBursar(['key', 'sign', ...args], { env });
  const hook = await sign('eagle-hook', '--scope', 'hook', '--cluster', 'eagle', '--expires-in', '30m', '--json');
  const { token, expires_at } = hook.json as { token: string; expires_at: string };
  const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString());
  expect(claims).toMatchObject({ sub: 'eagle-hook', scope: 'hook', cluster: 'eagle' });
  expect(Date.parse(expires_at)).toBeLessThanOrEqual(Date.now() + 1_800_000);
  expect(await sign('local', '--scope', 'hook', '--expires-in', '9h')).toMatchObject({
    code: 2,
    out: '',
    err: expect.stringMatching(
      /a name of Bursar itself; --cluster is required of a hook; --expires-in is at most 28800/,
    ),
  });
  expect(await runBursar(['key', 'sign', 'x', '--scope', 'read'])).toMatchObject({
    code: 2,
    err: expect.stringContaining('auth.jwt_secret'),
  });
});

test('changes say who did what to what', async () => {
  const env = { BURSAR_TOKEN: key };
  await withKey(env, 'account', 'update', 'climate', '--description', 'models');
  const { out } = await withKey(env, 'changes', '--name', 'climate');
  expect(out).toMatch(/rkaur +update_account +climate +description: models/);
  expect(out).toMatch(/local +create_account +climate/);
  const rows = (await withKey(env, 'changes', '--by', 'rkaur', '--subject', 'account', '--json')).json;
  expect(rows).toMatchObject([{ action: 'update_account', before: { description: '' } }]);
  expect((await withKey(env, 'changes', '--action', 'end_rate')).out).toBe('No changes found.\n');
});

test('the first key of a site is made without a server, on the database of the configuration', async () => {
  ensureBuilt();
  await using database = await freshDatabase();
  const env = { DATABASE_URL: database.url };
  const made = await runBursar(['key', 'create', 'rkaur', '--scope', 'admin', '--first', '--json'], { env });
  expect(made).toMatchObject({ code: 0, err: '' });
  expect(await openLedger(database.sql).keys.known()).toMatchObject([{ name: 'rkaur', scope: 'admin' }]);
  // The configuration of a server that speaks HTTPS does as well, and so does a site that has keys.
  const file = join(scratchFolder(), 'bursar.yaml');
  const tls = 'tls_enabled: true, tls_cert_file: /nowhere/cert.pem, tls_key_file: /nowhere/key.pem';
  writeFileSync(file, `service: { listen_addr: "0.0.0.0:8443", ${tls} }\ndatabase: { dsn: "${database.url}" }\n`);
  const again = await runBursar(['--config', file, 'key', 'create', 'deputy', '--scope', 'admin', '--first']);
  expect(again).toMatchObject({ code: 0, out: expect.stringContaining('deputy') });
});

test('without a database, or with one that nobody migrated, --first says what is missing', async () => {
  const first = ['key', 'create', 'rkaur', '--scope', 'admin', '--first'];
  expect(await runBursar(first)).toMatchObject({ code: 2, err: expect.stringContaining('Set DATABASE_URL') });
  await using database = await freshDatabase({ empty: true });
  const refused = await runBursar(first, { env: { DATABASE_URL: database.url } });
  expect(refused).toMatchObject({ code: 5, err: expect.stringContaining('bursar database migrate') });
});
