/** `bursar recover`, and what its option of ASBB's adds. */
import { startCli } from './helpers/cli';

test('--reconcile-orphaned names the holds of which nobody can say what became of the job', async () => {
  const looked = { restarted: [], rung: 0, lookedAt: 1 };
  const cli = await startCli({ temporal: { namespace: 'default', recover: () => Promise.resolve(looked) } });
  try {
    await cli.api.account('lab', 100);
    const job = ['--account', 'lab', '--partition', 'cpu', '--cpus', '10', '--time', '60'];
    const { json } = await cli.works('check', ...job, '--hold', '--json');
    const hold = (json as { transaction_id: string }).transaction_id;
    await cli.works('job', 'event', 'default/801', 'started', '--hold', hold);
    const orphaned = () => cli.works('recover', '--reconcile-orphaned');
    expect((await orphaned()).out).toBe(
      'Nothing to recover: 1 open hold looked at, each has its story.\n' +
        'Of every open hold it is known how its job stands, or that it has time yet.\n',
    );

    const tomorrow = new Date(Date.now() + 86_400_000).toISOString();
    await cli.api.ledger.jobs.advance(hold, { now: tomorrow });
    const { out } = await orphaned();
    expect(out).toMatch(new RegExp(`Nobody can say[^]*${hold} +default/801 +1\\.20 USD\\n[^]*bursar reconcile`));
    expect((await cli.works('recover', '--reconcile-orphaned', '--json')).json).toMatchObject({
      looked_at: 1,
      overdue: [{ transaction_id: hold }],
    });
    expect((await cli.works('recover')).out).not.toContain(hold);
  } finally {
    await cli.stop();
  }
});

test('stories that were out of step with the ledger are told of by number', async () => {
  const looked = { restarted: [], rung: 2, lookedAt: 3 };
  const cli = await startCli({ temporal: { namespace: 'default', recover: () => Promise.resolve(looked) } });
  try {
    expect((await cli.works('recover')).out).toBe('2 stories out of step with the ledger, told to look at it again.\n');
  } finally {
    await cli.stop();
  }
});
