/**
 * A day in minutes: people submit, cancel, requeue and suspend jobs of every kind, and one thing after the other breaks. It prints what
 * it did. BURSAR_TEST_SEED repeats the choices (not the interleaving); BURSAR_SLURM_MIX_SECONDS says for how long, 300 unless said.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { seeded } from '../simulation/workload';
import { eventually } from '../helpers/eventually';
import { expectTrueBooks, runsCharged, runsInSacct, runsWithoutStart, shown, tellAllOf, type Run } from './books';
import { openHouse, type House } from './house';
import { choose, failureDeeds, heal, jobDeeds, type Deed, type Outage } from './mix';

const seed = Number(process.env.BURSAR_TEST_SEED ?? Date.now() % 2 ** 31);
const forSeconds = Number(process.env.BURSAR_SLURM_MIX_SECONDS ?? 300);
const PEOPLE_AT_ONCE = 3;
/** Around a death of the controller, what accounting says may be wrong: it saves its state, and tells slurmdbd, seconds late. */
const DOUBTFUL_SECONDS = 40;

jest.setTimeout((forSeconds + 900) * 1_000);

let house: House;
beforeAll(async () => {
  process.stderr.write(`mix.test.ts: BURSAR_TEST_SEED=${seed} BURSAR_SLURM_MIX_SECONDS=${forSeconds}\n`);
  house = await openHouse({ name: 'mix' });
}, 300_000);
afterAll(() => house?.[Symbol.asyncDispose](), 180_000);

test('after a random mix of jobs and failures no hold is lost or left, and no run is charged twice', async () => {
  const rich = [await house.account(10_000, 'rich'), await house.account(10_000, 'rich')];
  const poor = await house.account(0.01, 'poor');
  const outages: Outage[] = [];
  const began = Date.now();
  const done = new Map<string, number>();
  const say = (text: string) =>
    process.stderr.write(`${((Date.now() - began) / 1_000).toFixed(1).padStart(7)} ${text}\n`);
  const perform = async (who: string, { name, act }: Deed) => {
    done.set(name, (done.get(name) ?? 0) + 1);
    const outcome = await act();
    say(`${who}: ${name}${typeof outcome === 'string' ? `: ${outcome}` : ''}`);
  };
  const isOver = () => Date.now() - began > forSeconds * 1_000;

  const person = async (number: number) => {
    const random = seeded(seed + number);
    const deeds = jobDeeds(house, { rich, poor }, random);
    while (!isOver()) {
      await perform(`person ${number}`, choose(deeds, random));
      await sleep(random(1_500));
    }
  };
  const chaos = async () => {
    const random = seeded(seed);
    const deeds = failureDeeds(house, random, outages);
    while (!isOver()) {
      await sleep(2_000 + random(8_000));
      await perform('FAILURE', choose(deeds, random));
    }
  };
  await Promise.all([chaos(), ...Array.from({ length: PEOPLE_AT_ONCE }, (_, number) => person(number + 1))]);
  await heal(house);
  say('everything runs again');
  await house.cluster.drain();
  say('no job is left');

  const calm = ({ start, end }: Run) =>
    !outages.some(({ from, until }) => start < until + DOUBTFUL_SECONDS && end > from - DOUBTFUL_SECONDS);
  /** What accounting says and what was charged, of runs that were never suspended; and of those that were, what cannot be right. */
  const compare = async (account: string) => {
    const said = (await runsInSacct(house, account, { mayBeLost: true })).filter(calm);
    const isUnknownToSacct = await runsWithoutStart(house, account);
    const charged = (await runsCharged(house, account)).filter((run) => calm(run) && !isUnknownToSacct(run));
    // Suspension is seen by looking at the queue, and while something is broken nobody looks: then the CPUs go on to cost.
    const suspended = said.filter(({ micro, unsuspendedMicro }) => micro !== unsuspendedMicro);
    const of = ({ job }: Run) => suspended.some((run) => run.job === job);
    const [right, paid] = [shown(said.filter((run) => !of(run))), shown(charged.filter((run) => !of(run)))];
    const differing = [...right.filter((run) => !paid.includes(run)), ...paid.filter((run) => !right.includes(run))];
    const wrong = suspended.flatMap(({ job, start, end, micro, unsuspendedMicro = micro }) => {
      const once = charged.find((each) => each.job === job && each.start === start)?.micro;
      // The queue counts whole seconds: a suspension may seem one longer at each of its ends.
      const aSecond = unsuspendedMicro / BigInt(Math.max(1, end - start));
      const isRight = once !== undefined && once >= micro - 2n * aSecond && once <= unsuspendedMicro;
      return isRight ? [] : [{ job, paid: once, least: micro, most: unsuspendedMicro }];
    });
    return { right, paid, differing, wrong };
  };

  for (const account of [...rich, poor]) {
    await expectTrueBooks(house, account, { withinMs: 180_000, asSacctSays: false });
    // A run whose records were lost may have no hold to wait for: the next comparison with accounting has it charged.
    const agree = async () => {
      const { differing, wrong } = await compare(account);
      return differing.length + wrong.length === 0;
    };
    await eventually('every run is charged as accounting has it', agree, 90_000).catch(() => undefined);
    const { right, paid, differing, wrong } = await compare(account);
    for (const id of new Set(differing.map((run) => run.split(' ')[1] ?? ''))) await tellAllOf(house, id);
    expect(paid).toEqual(right);
    expect(wrong).toEqual([]);
    say(`${account}: ${(await runsCharged(house, account)).length} runs charged, the books are true`);
  }
  for (const [name, times] of [...done].sort()) process.stderr.write(`${String(times).padStart(5)} × ${name}\n`);
});
