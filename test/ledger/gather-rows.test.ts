/** Rows on their way from one PostgreSQL to another. */
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { gatherRows } from '../../ledger/imports/gather-rows';

test('rows come out as they went in, in a few large pieces, and are counted without what ends the copy', async () => {
  const rows = Array.from({ length: 120_000 }, (_, n) => Buffer.from(`row ${n};`));
  const told: number[] = [];
  let pieces = 0;
  const gathered = Readable.from([...rows, Buffer.from('end')]).pipe(gatherRows((count) => told.push(count)));
  gathered.on('data', () => (pieces += 1));
  expect(await buffer(gathered)).toEqual(Buffer.concat([...rows, Buffer.from('end')]));
  expect(pieces).toBeLessThan(40);
  expect(told).toEqual([50_000, 100_000, 120_000]);
});

test('a copy without rows has none', async () => {
  const told: number[] = [];
  await buffer(Readable.from([Buffer.from('end')]).pipe(gatherRows((count) => told.push(count))));
  expect(told).toEqual([0]);
});
