import { readHistory, SACCT } from '../../domain/sacct-look';

const rowOf = (more: Partial<Record<(typeof SACCT.columns)[number], string>>): string => {
  const whole = {
    ...{
      JobID: '83_2',
      JobIDRaw: '89',
      Account: 'lab',
      User: 'bob',
      UID: '1002',
      Partition: 'cpu',
      Elapsed: '00:00:02',
    },
    ...{
      Submit: '1795742265',
      Start: '1795742267',
      End: '1795742269',
      State: 'COMPLETED',
      ExitCode: '0:0',
      NNodes: '1',
    },
    ...{ NCPUS: '1', ReqTRES: 'cpu=1', AllocTRES: 'cpu=1,mem=500M,node=1', Timelimit: '00:03:00', NodeList: 'c1' },
    ...{ AdminComment: 'bursar:aff77d06cea323c0fbd3e114b4b917e2' },
  };
  return SACCT.columns.map((name) => more[name] ?? whole[name]).join('|');
};
const read = (...rows: string[]) =>
  readHistory([SACCT.columns.join('|'), ...rows].join('\n'), { timeZone: 'UTC' }).jobs.map(({ jobId, task }) => ({
    jobId,
    task,
  }));

test('a row of which slurmdbd knows the end alone is left to a later look, which knows whose task it is', () => {
  // As sacct 22.05 prints what the message of an end has.
  const half = rowOf({ JobID: '89', User: 'root', UID: '0', Partition: '', Timelimit: '' });
  expect(read(half)).toEqual([]);
  expect(read(rowOf({}))).toEqual([{ jobId: '83', task: '2' }]);
  // A job may have one of the two alone.
  expect(read(rowOf({ JobID: '89', Timelimit: '' }))).toHaveLength(1);
});
