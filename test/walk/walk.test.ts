/** The whole API as its own document describes it, asked what the document allows and what it forbids. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { upHouse, type UpHouse } from '../helpers/up';
import { walk, type WalkReport } from './schemathesis';

jest.setTimeout(600_000);

let house: UpHouse;
beforeAll(async () => {
  house = await upHouse();
  // It asks more in a minute than anybody is let.
  Object.assign(house.env, { BURSAR_RATE_LIMIT_PER_KEY: '0', BURSAR_RATE_LIMIT_PER_IP: '0' });
  await house.start();
});
afterAll(() => house.close());

/** With the key that the walk goes on with: one of its own requests makes an admin key, and from then on nobody else may ask. */
async function ask(path: string, body?: unknown, key?: string): Promise<Record<string, unknown>> {
  const response = await fetch(house.api() + path, {
    ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
    headers: { 'content-type': 'application/json', ...(key && { authorization: `Bearer ${key}` }) },
  });
  const answer = (await response.json()) as Record<string, unknown>;
  if (!response.ok) throw new Error(`${path}: ${JSON.stringify(answer)}`);
  return answer;
}

test('no request is answered with a 500 or with anything that /openapi.json does not say, and the books balance afterwards', async () => {
  const key = String((await ask('/api/v1/keys', { name: 'walker', scope: 'admin' })).key);
  await ask('/api/v1/accounts', ACCOUNT, key);
  const held = await ask('/api/v1/budget/check', CHECK, key);
  const report = join(house.home, 'walk.json');

  const { out, ok } = await walk(`${house.api()}/openapi.json`, report, {
    WALK_KEY: key,
    WALK_HOLD: String(held.transaction_id),
  });

  if (!ok) throw new Error(`${out}\n${errorsLogged()}`);
  const { complete, operations, failures, errors, valid_rates } = JSON.parse(
    readFileSync(report, 'utf8'),
  ) as WalkReport;
  expect({ complete, failures, errors }).toEqual({ complete: true, failures: [], errors: [] });
  const { paths } = await ask('/openapi.json', undefined, key);
  const described = Object.values(paths as Record<string, object>).flatMap((path) => Object.keys(path));
  expect(operations).toMatchObject({ total: described.length, tested: described.length });
  // Not only refusals were looked at.
  const accepted = (operation: string) =>
    Object.values(valid_rates[operation] ?? {}).reduce((sum, phase) => sum + phase.accepted, 0);
  for (const operation of ['POST /api/v1/budget/check', 'POST /api/v1/accounts/{account}/deposits']) {
    expect([operation, accepted(operation)]).not.toEqual([operation, 0]);
  }
  expect(await ask('/api/v1/audit', undefined, key)).toMatchObject({ ok: true, difference: '0' });
});

/** What the API says to its operator of what it told nobody. */
const errorsLogged = (): string =>
  readFileSync(join(house.home, 'logs/api.log'), 'utf8')
    .split('\n')
    .filter((line) => line.includes('"level":50') || line.includes('"level":"error"'))
    .join('\n');

const ACCOUNT = {
  slurm_account: 'climate-ml',
  name: 'Climate ML',
  budget_limit: 1000,
  start_date: '2026-01-01T00:00:00Z',
  end_date: '2099-01-01T00:00:00Z',
};
const CHECK = { account: 'climate-ml', partition: 'cpu', nodes: 1, cpus: 4, wall_time: '01:00:00' };
