import { readSqueue } from '../../domain/squeue';

const ROW =
  '7|7|N/A|RUNNING|1795721720|1795721709|1795722009|0:12|5:00|proj-a|alice|cpu|c1|cpu=2,mem=1G,node=1|bursar:stamp-repeated';

const only = (row: string) => readSqueue(row, { timeZone: 'UTC' }).jobs;

test('what is being cleaned up tells of no start, which after a requeue is that of the run before', () => {
  expect(only(ROW)).toEqual([expect.objectContaining({ phase: 'running', startedAt: '2026-11-26T19:35:09Z' })]);
  const [completing] = only(ROW.replace('RUNNING', 'COMPLETING'));
  expect(completing).toMatchObject({ jobId: '7', phase: 'running', stamp: 'stamp-repeated' });
  expect(completing).not.toHaveProperty('startedAt');
  expect(completing).not.toHaveProperty('resources');
});
