import type { Command } from 'commander';
import { path } from '../client';
import { readTime } from '../dates';
import { EXIT, Stop } from '../exit';
import { clock, money } from '../format';
import { KEY_OPTION, keyOf } from '../keys';
import { FIELDS } from '../fields';
import { withPages, type PageOptions } from '../paging';
import type { Act, Session } from '../session';
import type { Column } from '../table';
import type { Cluster, Rate } from '../wire';

const columns = (zone: string): Column<Rate>[] => [
  { title: 'NO', value: (rate) => String(rate.rate_no), align: 'right' },
  { title: 'CLUSTER', value: (rate) => rate.cluster, shrinksTo: 8 },
  { title: 'PARTITION', value: (rate) => rate.partition ?? 'all others', shrinksTo: 9 },
  { title: 'RESOURCE', value: (rate) => rate.resource },
  { title: 'PER HOUR', value: (rate) => money(rate.rate), align: 'point' },
  { title: 'UNIT', value: (rate) => rate.unit },
  { title: `FROM (${zone})`, value: (rate) => clock(rate.starts_at, zone) },
  { title: 'UNTIL', value: (rate) => clock(rate.ends_at, zone) ?? 'further notice' },
  { title: 'SOURCE', value: (rate) => rate.source, shrinksTo: 10, optional: 1 },
];

const zoneOf = async (session: Session, cluster: string): Promise<string> =>
  (await session.client.get<Cluster>(path`/api/v1/clusters/${cluster}`)).time_zone;

interface SetOptions {
  partition?: string;
  price?: string;
  su?: string;
  unit?: string;
  from?: string;
  until?: string;
  source?: string;
  key?: string;
}

export function defineRates(parent: Command, act: Act): void {
  const rates = parent
    .command('rates')
    .summary('Prices of nodes, CPUs, memory and GPUs')
    .description('Rates: what an hour of a node, a CPU, a GiB of memory or a GPU costs, from when to when.')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar rates list --cluster mycluster\n  $ bursar rates set mycluster cpu --price 0.04 --source "price list 2026"\n',
    );

  withPages(
    rates
      .command('list')
      .summary('List rates')
      .description('List rates.')
      .option('--cluster <cluster>', 'of this cluster')
      .option('--partition <partition>', 'of this partition')
      .option('--resource <resource>', 'node, cpu, mem, gpu, gpu:a100, ...')
      .option('--at <time>', 'in force at this time'),
  )
    .addHelpText('after', '\nExamples:\n  $ bursar rates list --cluster mycluster --at 2026-03-01\n')
    .action(
      act(
        async (
          session,
          options: PageOptions & { cluster?: string; partition?: string; resource?: string; at?: string },
        ) => {
          const own = options.cluster === undefined ? undefined : await zoneOf(session, options.cluster);
          const at = options.at && readTime('--at', options.at, own ?? 'UTC', 'first');
          await session.list<Rate>(
            '/api/v1/rates',
            { cluster: options.cluster, partition: options.partition, resource: options.resource, at },
            options,
            () => columns(session.zone(own)),
            'No rates found. A cluster without rates prices by its preset; `bursar rates set CLUSTER cpu --price 0.04 --source WHERE` enters one.',
            FIELDS.rate,
          );
        },
      ),
    );

  rates
    .command('set')
    .summary('Enter a rate')
    .description(
      'Enter a rate: what an hour of a resource costs from a time on. It ends the rate that was in force then.',
    )
    .argument('<cluster>', 'cluster name')
    .argument('<resource>', 'node, cpu, mem (per GiB), gpu, or a model like gpu:a100')
    .option('--price <amount>', 'money per hour')
    .option('--su <amount>', 'service units per hour')
    .option('--unit <unit>', 'currency, or name of the service unit (default: USD with --price, SU with --su)')
    .option('--partition <partition>', 'only there (default: wherever there is no rate of its own)')
    .option('--from <time>', 'in force from this day or time (default: now)')
    .option('--until <date>', 'in force until this day, included (default: until a later rate)')
    .option('--source <text>', 'where the figure comes from (default: entered by hand)')
    .option(...KEY_OPTION)
    .addHelpText(
      'after',
      `
Examples:
  $ bursar rates set mycluster cpu --price 0.04 --from 2026-01-01 --source "price list 2026"
  $ bursar rates set mycluster gpu:a100 --price 2.10 --partition gpu
  $ bursar rates set mycluster node --su 12
`,
    )
    .action(
      act(async (session, cluster: string, resource: string, options: SetOptions) => {
        if ((options.price === undefined) === (options.su === undefined)) {
          throw new Stop(EXIT.usage, 'Give either --price (money per hour) or --su (service units per hour).');
        }
        const zone = await zoneOf(session, cluster);
        const rate = await session.client.post<Rate>(
          '/api/v1/rates',
          {
            cluster,
            resource,
            partition: options.partition,
            unit: options.unit ?? (options.price === undefined ? 'SU' : 'USD'),
            price: options.price,
            su_per_unit: options.su,
            starts_at:
              options.from === undefined
                ? session.io.now().toISOString()
                : readTime('--from', options.from, zone, 'first'),
            ends_at: options.until && readTime('--until', options.until, zone, 'last'),
            source: options.source ?? 'entered by hand',
          },
          keyOf(options),
        );
        session.answer(
          rate,
          () => {
            session.line(session.paint('green', 'Rate entered.'));
            session.table([rate], columns(session.zone(zone)));
          },
          FIELDS.rate,
        );
      }),
    );

  rates
    .command('end')
    .summary('End a rate')
    .description('End a rate. What it priced until then stays priced.')
    .argument('<no>', 'number of the rate (`bursar rates list`)')
    .option('--at <time>', 'end at this time, in UTC unless it says its zone (default: now)')
    .option(...KEY_OPTION)
    .addHelpText('after', '\nExamples:\n  $ bursar rates end 3\n  $ bursar rates end 3 --at 2026-12-31T23:00:00Z\n')
    .action(
      act(async (session, no: string, options: { at?: string; key?: string }) => {
        const endsAt =
          options.at === undefined ? session.io.now().toISOString() : readTime('--at', options.at, 'UTC', 'first');
        const rate = await session.client.post<Rate>(
          path`/api/v1/rates/${no}/end`,
          { ends_at: endsAt },
          keyOf(options),
        );
        session.answer(
          rate,
          () => {
            session.line(session.paint('green', 'Rate ended.'));
            session.table([rate], columns('UTC'));
          },
          FIELDS.rate,
        );
      }),
    );
}
