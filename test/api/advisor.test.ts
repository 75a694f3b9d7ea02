/** The advisor hangs, trickles, lies and dies; whoever asks gets an answer or a reason, in time. */
import { openAdvisor, type OpenAdvisor } from '../../api/advisor/advisor';
import type { Advice } from '../../domain/advice';
import type { AdvisorQuestion } from '../../ledger/contract';
import type { AdvisorSettings } from '../../platform/config/integration';
import { openLog } from '../../platform/log';
import { createMetrics, type Metrics } from '../../platform/metrics';
import { costs, hangs, says, startAdvisor, type AdvisorServer, type Respond } from '../helpers/advisor-server';
import { eventually } from '../helpers/eventually';

const log = openLog({ service: 'test', level: 'silent' });
let server: AdvisorServer;
let metrics: Metrics;
const opened: OpenAdvisor[] = [];

beforeEach(async () => {
  server = await startAdvisor();
  metrics = createMetrics({ accountsMax: 1 });
});
afterEach(async () => {
  for (const advisor of opened.splice(0)) advisor.close();
  await server.stop();
});

/** As the keys' defaults are, but for a deadline that no busy machine meets by chance. */
function open(changes: Partial<AdvisorSettings & { url: string }> = {}, restMs?: number): OpenAdvisor {
  const settings = {
    url: server.url,
    enabled: true,
    headers: {},
    unit: 'USD',
    submitTimeoutMs: 20_000,
    timeoutMs: 20_000,
    retries: 0,
    retryDelayMs: 0,
    hasBreaker: true,
    failureMode: 'GRACEFUL',
    fallbackRate: '0.10',
    ...changes,
  } as const;
  const advisor = openAdvisor(settings, { log, metrics, ...(restMs !== undefined && { restMs }) });
  opened.push(advisor);
  return advisor;
}

const JOB: AdvisorQuestion = {
  account: 'climate-ml',
  unit: 'USD',
  partition: 'gpu-aws',
  nodes: 2,
  cpus: 16,
  gpus: 4,
  memoryMib: 65_536,
  wallSeconds: 14_400,
};

const ask = (advisor: OpenAdvisor, changes: Partial<AdvisorQuestion> = {}) =>
  advisor.advise({ ...JOB, ...changes }, 'check');

const valueOf = async (series: string): Promise<number | undefined> => {
  const line = (await metrics.scrape()).split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
};

describe('the question', () => {
  test('is asked word for word as ASBB asks it', async () => {
    const before = Math.floor(Date.now() / 1000);
    await ask(open());
    const [asked] = server.asked;
    expect(asked).toMatchObject({ method: 'POST', url: '/api/v1/analyze' });
    const { timestamp, ...body } = JSON.parse(asked?.body ?? '') as Record<string, unknown>;
    expect(body).toEqual({
      account: 'climate-ml',
      partition: 'gpu-aws',
      nodes: 2,
      cpus: 16,
      gpus: 4,
      memory: '64GB',
      wall_time: '04:00:00',
    });
    expect(timestamp).toBeGreaterThanOrEqual(before);
    expect(timestamp).toBeLessThanOrEqual(Date.now() / 1000);
    expect(asked?.headers['content-type']).toBe('application/json');
    expect(asked?.headers['user-agent']).toMatch(/^aws-slurm-burst-budget\/\d+\.\d+\.\d+ \(\w+; \w+\)$/);
    const names = asked?.rawHeaders.filter((_, index) => index % 2 === 0).map((name) => name.toLowerCase());
    expect(names?.sort()).toEqual(['connection', 'content-length', 'content-type', 'host', 'user-agent']);
  });

  test('leaves out what there is none of, tells the script, and keeps hours beyond a day hours', async () => {
    await ask(open(), {
      gpus: 0,
      memoryMib: 1536,
      wallSeconds: 360_061,
      jobScript: '#!/bin/sh\n',
      at: '2026-03-02T14:05:11Z',
    });
    expect(JSON.parse(server.asked[0]?.body ?? '')).toEqual({
      account: 'climate-ml',
      partition: 'gpu-aws',
      nodes: 2,
      cpus: 16,
      memory: '1536MB',
      wall_time: '100:01:01',
      job_script: '#!/bin/sh\n',
      timestamp: 1_772_460_311,
    });
  });

  test('carries the configured headers in place of ours, and the key in place of both; the address may have a path', async () => {
    const headers = { 'user-agent': 'us', 'X-Site': 'hpc', authorization: 'no' };
    await ask(open({ url: `${server.url}/advisor/`, headers, apiKey: 'k-1' }));
    expect(server.asked[0]?.url).toBe('/advisor/api/v1/analyze');
    expect(server.asked[0]?.headers).toMatchObject({
      'user-agent': 'us',
      'x-site': 'hpc',
      authorization: 'Bearer k-1',
    });
  });

  test('is not asked about an account of another unit', async () => {
    expect(await ask(open(), { unit: 'SU' })).toMatchObject({ outcome: 'not_asked' });
    expect(server.asked).toEqual([]);
  });
});

test('the answer is kept digit for digit, and rounded half to even', async () => {
  server.respond = costs('37.2500005000');
  expect(await ask(open())).toEqual({
    outcome: 'answered',
    cost: 37_250_000n,
    numeral: '37.2500005000',
    confidence: 0.91,
    recommendation: 'Spot capacity is plentiful',
  });
});

const answersWith = (text: string): Respond => says(text);

describe('an answer that is none', () => {
  test.each([
    ['NaN', answersWith('{"estimated_cost": NaN, "confidence": 0.5}')],
    ['a negative cost', costs('-0.01')],
    ['less than nothing', costs('-0.0')],
    ['1e400', costs('1e400')],
    ['more than any account can hold', costs('8589934592')],
    ['a cost in a string', costs('"41.50"')],
    ['a cost of ten thousand digits', costs('1'.repeat(10_000))],
    ['no cost', answersWith('{"confidence": 0.5}')],
    ['a cost of null', costs('null')],
    ['a confidence of 2', answersWith('{"estimated_cost": 1, "confidence": 2}')],
    ['a confidence in a string', answersWith('{"estimated_cost": 1, "confidence": "high"}')],
    ['a recommendation that is no text', answersWith('{"estimated_cost": 1, "recommendation": {}}')],
    ['a list', answersWith('[41.5]')],
    ['a page', answersWith('<html>41.5</html>')],
    ['nothing', answersWith('')],
    ['nesting without end', answersWith('['.repeat(60_000))],
    ['bytes that are no text', (answer) => answer.end(Buffer.from([0x7b, 0xff, 0x7d]))],
  ] satisfies [string, Respond][])('%s', async (_what, respond) => {
    server.respond = respond;
    expect(await ask(open())).toMatchObject({
      outcome: 'bad_answer',
      detail: expect.stringMatching(/^did not make sense/),
    });
    expect(await valueOf('asbb_advisor_requests_total{result="bad_answer"}')).toBe(1);
  });

  test.each(['1e400', '1e-999999999'])(
    'the sentence about %s is true of it, too large or too small',
    async (numeral) => {
      server.respond = costs(numeral);
      const detail = `did not make sense: its estimated_cost "${numeral}" is no amount that an account can hold`;
      expect(await ask(open())).toMatchObject({ detail });
    },
  );

  test.each([
    ['announced', (answer) => answer.writeHead(200, { 'Content-Length': 10_000_000 }).write('{')],
    [
      'streamed without an end',
      (answer) => {
        const more = () => {
          while (!answer.destroyed && answer.write(' '.repeat(16_384))) continue;
        };
        answer.writeHead(200).on('drain', more);
        more();
      },
    ],
  ] satisfies [string, Respond][])(
    'ten megabytes, %s: cut off long before, and the connection closed',
    async (_how, respond) => {
      server.respond = respond;
      expect(await ask(open())).toMatchObject({
        outcome: 'bad_answer',
        detail: expect.stringContaining('65536 bytes'),
      });
      await eventually('the connection is closed', () => server.open() === 0);
    },
  );

  test('an error of its own is repeated as text, without what a terminal or PostgreSQL would choke on', async () => {
    server.respond = says({ error: 'no such\u0000 partition\u001b[31m', estimated_cost: 3 });
    expect(await ask(open())).toEqual({ outcome: 'error', detail: 'says "no such partition [31m"' });
    server.respond = says({ estimated_cost: 3, recommendation: `\u202eevil\n${'x'.repeat(2000)}` });
    const advice = await ask(open());
    expect(advice).toMatchObject({ outcome: 'answered', recommendation: expect.stringMatching(/^evil x{495}…$/) });
  });

  test.each([201, 204, 302, 400, 404, 500, 503])('HTTP %d', async (status) => {
    server.respond = (answer) => {
      answer.writeHead(status, { Location: `${server.url}/elsewhere` });
      answer.end(status === 204 ? undefined : '{"estimated_cost": 1}');
    };
    expect(await ask(open())).toMatchObject({ outcome: 'bad_status', detail: `answered with HTTP ${status}` });
    expect(server.asked).toHaveLength(1);
  });
});

describe('no answer', () => {
  const deadline = { submitTimeoutMs: 50 };

  test.each([
    ['hangs', hangs],
    ['sends its headers and no more', (answer) => answer.writeHead(200, { 'Content-Length': 5 }).flushHeaders()],
    [
      'trickles',
      (answer) => {
        answer.writeHead(200);
        const drip = setInterval(() => answer.write(' '), 5);
        answer.on('close', () => clearInterval(drip));
      },
    ],
  ] satisfies [string, Respond][])(
    'one that %s is given up at the deadline, and its connection closed',
    async (_how, respond) => {
      server.respond = respond;
      expect(await ask(open(deadline))).toEqual({ outcome: 'timeout', detail: 'did not answer within 50 ms' });
      await eventually('the connection is closed', () => server.open() === 0);
      expect(await valueOf('asbb_advisor_requests_total{result="timeout"}')).toBe(1);
      expect(await valueOf('bursar_advisor_request_duration_seconds_count')).toBe(1);
    },
  );

  test('one that dies in the middle of its answer', async () => {
    server.respond = (answer) => {
      answer.writeHead(200, { 'Content-Length': 100 });
      answer.write('{"estimated_cost"', () => answer.destroy());
    };
    expect(await ask(open())).toEqual({ outcome: 'unreachable', detail: 'cannot be reached (the connection was cut)' });
  });

  test('one that is not there', async () => {
    await server.stop();
    expect(await ask(open())).toEqual({ outcome: 'unreachable', detail: 'cannot be reached (nothing listens there)' });
    server = await startAdvisor();
  });

  test('an estimate waits longer than a check, and both as long as they were told', async () => {
    server.respond = hangs;
    const advisor = open({ submitTimeoutMs: 40, timeoutMs: 60 });
    expect(await advisor.advise(JOB, 'check')).toMatchObject({ detail: 'did not answer within 40 ms' });
    expect(await advisor.advise(JOB, 'estimate')).toMatchObject({ detail: 'did not answer within 60 ms' });
  });

  test('no more than 32 questions are under way; the others wait for their turn, and no longer than they may', async () => {
    const held: (() => void)[] = [];
    server.respond = (answer, asked) => void held.push(() => costs(1)(answer, asked));
    const advisor = open({ submitTimeoutMs: 30 });
    const patient = Promise.all(
      Array.from({ length: 40 }, (_, nodes) => advisor.advise({ ...JOB, nodes: nodes + 1 }, 'estimate')),
    );
    await eventually('as many are under way as may be', () => held.length === 32);
    expect(await ask(advisor)).toEqual({
      outcome: 'busy',
      detail: 'was not asked within 30 ms, for too many questions wait',
    });
    expect(held).toHaveLength(32);
    for (let answered = 0; answered < 40; answered++) (await eventually('the next one is asked', () => held.shift()))();
    expect((await patient).map(({ outcome }) => outcome)).toEqual(Array.from({ length: 40 }, () => 'answered'));
    expect(server.asked).toHaveLength(40);
  });
});

describe('retries', () => {
  test('what may be better in a moment is asked again as often as was configured', async () => {
    server.respond = (answer, asked) =>
      server.asked.length < 3 ? says({}, 503)(answer, asked) : costs('2')(answer, asked);
    expect(await ask(open({ retries: 2 }))).toMatchObject({ outcome: 'answered', cost: 2_000_000n });
    expect(await valueOf('asbb_advisor_requests_total{result="answered"}')).toBe(1);
  });

  test('not where the delay would end after the deadline, and not what will be the same again', async () => {
    server.respond = says({}, 503);
    expect(await ask(open({ retries: 3, retryDelayMs: 60_000 }))).toMatchObject({ outcome: 'bad_status' });
    expect(server.asked).toHaveLength(1);
    server.respond = says({ estimated_cost: 'x' });
    expect(await ask(open({ retries: 3 }))).toMatchObject({ outcome: 'bad_answer' });
    expect(server.asked).toHaveLength(2);
  });
});

describe('the cache', () => {
  test('what decides the price decides whether it is asked again', async () => {
    const advisor = open({ cacheMs: 60_000 });
    const outcomes = async (changes: Partial<AdvisorQuestion>) => (await ask(advisor, changes)).outcome;
    expect([await outcomes({}), await outcomes({})]).toEqual(['answered', 'cached']);
    const others: Partial<AdvisorQuestion>[] = [
      { account: 'a' },
      { partition: 'p' },
      { nodes: 3 },
      { cpus: 17 },
      { gpus: 5 },
      { memoryMib: 1 },
      { wallSeconds: 60 },
      { jobScript: 'x' },
      { at: '2026-01-01T00:00:00Z' },
    ];
    for (const other of others) expect([other, await outcomes(other)]).toEqual([other, 'answered']);
    expect(await ask(advisor)).toMatchObject({
      outcome: 'cached',
      cost: 41_500_000n,
      numeral: '41.50',
      confidence: 0.91,
    });
    expect(server.asked).toHaveLength(1 + others.length);
  });

  test('equal jobs that are submitted at once ask once; silence is never remembered', async () => {
    let answer: (() => void) | undefined;
    server.respond = (response, asked) => void (answer = () => says({ error: 'busy' })(response, asked));
    const advisor = open({ cacheMs: 60_000 });
    const both = Promise.all([ask(advisor), ask(advisor)]);
    await eventually('it was asked', () => answer);
    answer?.();
    expect((await both).map(({ outcome }) => outcome)).toEqual(['error', 'error']);
    expect(server.asked).toHaveLength(1);
    server.respond = costs(1);
    expect(await ask(advisor)).toMatchObject({ outcome: 'answered' });
  });

  test('switched off, every job asks', async () => {
    const advisor = open();
    for (let time = 0; time < 2; time++) expect(await ask(advisor)).toMatchObject({ outcome: 'answered' });
    expect(server.asked).toHaveLength(2);
  });
});

describe('the breaker', () => {
  const failing = async (advisor: OpenAdvisor, times: number) => {
    for (let time = 0; time < times; time++) await ask(advisor);
  };

  test('five failures in a row and it is left alone; one good answer after the rest and it is asked again', async () => {
    server.respond = says({}, 500);
    const advisor = open({}, 100);
    await failing(advisor, 5);
    expect(advisor.isTrusted()).toBe(false);
    expect(await valueOf('bursar_advisor_breaker_open')).toBe(1);
    server.respond = costs(1);
    await eventually('it is asked again', async () => (await ask(advisor)).outcome === 'answered');
    expect(advisor.isTrusted()).toBe(true);
    expect(await valueOf('bursar_advisor_breaker_open')).toBe(0);
  });

  test('while it rests nothing is asked and nobody waits', async () => {
    server.respond = hangs;
    const advisor = open({ submitTimeoutMs: 30 }, 60_000);
    await failing(advisor, 5);
    expect(await ask(advisor, { nodes: 7 })).toMatchObject({ outcome: 'breaker_open' });
    server.respond = costs(1);
    await ask(open()); // Whatever was sent before it is heard by now.
    // The five are not counted: of one that was given up so early the server may have heard nothing.
    expect(server.asked.filter(({ body }) => body.includes('"nodes":7'))).toEqual([]);
  });

  test('while one question finds out whether it is well, the others do not wait for that', async () => {
    server.respond = says({}, 500);
    const advisor = open({}, 1);
    await failing(advisor, 5);
    server.respond = hangs;
    let probe: Promise<Advice> | undefined;
    await eventually('one is let through', async () => {
      const before = server.asked.length;
      probe = ask(advisor, { nodes: 7 });
      return Promise.race([probe.then(() => false), eventually('asked', () => server.asked.length > before)]);
    });
    expect(await ask(advisor)).toMatchObject({ outcome: 'breaker_open' });
    await server.stop();
    expect(await probe).toMatchObject({ outcome: 'unreachable' });
    server = await startAdvisor();
  });

  test('that it cannot tell what one job costs does not count', async () => {
    server.respond = says({ error: 'no such partition' });
    const advisor = open({}, 60_000);
    await failing(advisor, 6);
    server.respond = says({}, 404);
    await failing(advisor, 6);
    expect(server.asked).toHaveLength(12);
  });

  test('switched off, it is asked every time', async () => {
    server.respond = says({}, 500);
    const advisor = open({ hasBreaker: false });
    await failing(advisor, 8);
    expect(server.asked).toHaveLength(8);
  });
});
