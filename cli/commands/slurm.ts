/** `bursar slurm`: the hooks on a machine of Slurm's. What they are and do is in docs/operations/slurm.md. */
import { Option, type Command } from 'commander';
import type { Act } from '../session';
import { doctor, type DoctorOptions } from '../slurm/doctor';
import { install } from '../slurm/install';
import type { InstallOptions } from '../slurm/plan';
import { PARTS } from '../slurm/slurm-conf';
import { uninstall, type UninstallOptions } from '../slurm/uninstall';
import { defineLook } from './slurm-look';
import { defineWall } from './slurm-wall';

const withPlaces = (command: Command): Command =>
  command
    .option('--slurm-conf <path>', 'slurm.conf, or its folder (default: SLURM_CONF, else /etc/slurm)')
    .option(
      '--prefix <folder>',
      'in front of /etc/bursar, /usr/lib/bursar, /var/spool/bursar, /var/lib/bursar and /etc/systemd',
    )
    .option('--root <folder>', 'write below this folder, for paths without it: for who makes a package');

export function defineSlurm(parent: Command, act: Act): void {
  const slurm = parent
    .command('slurm')
    .summary('The hooks inside Slurm: install, check, remove')
    .description(
      'The hooks inside Slurm: they ask before a job starts, and tell what became of it. To be run on the machine of slurmctld, as root.',
    )
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar slurm install --dry-run\n  $ bursar slurm install\n  $ bursar slurm doctor\n  $ bursar slurm uninstall\n',
    );

  // ASBB calls it so, and its scripts may.
  for (const name of ['install', 'configure']) {
    withPlaces(
      slurm
        .command(name, { hidden: name === 'configure' })
        .summary('Put the hooks in, or bring them to this version')
        .description(
          'Write the hooks, their configuration and keys, the unit of the relay, and a block of lines into slurm.conf, whose former text is kept beside it. The same command upgrades: what it was told before goes on, and where nothing has changed it changes nothing. slurmctld is not restarted.',
        ),
    )
      .option('--dry-run', 'show everything that would be written, and write nothing')
      .option('--cluster <cluster>', 'the cluster as Bursar knows it (default: ClusterName of slurm.conf)')
      .option(
        '--hook-url <url>',
        'where the hooks find the API, in plain HTTP (default: the server that this command asks)',
      )
      .option('--slurm-user <user>', 'who slurmctld runs as (default: SlurmUser of slurm.conf)')
      .addOption(
        new Option(
          '--without <part...>',
          'leave out jobcomp (how jobs ended), prolog (when they began) or cli-filter',
        ).choices(PARTS),
      )
      .addOption(new Option('--with <part...>', 'put back what was left out').choices(PARTS))
      .option(
        '--cli-filter',
        'also print the price in sbatch, salloc and srun; every submit host then needs cli_filter.lua',
      )
      .addHelpText(
        'after',
        `
Examples:
  $ bursar slurm ${name} --dry-run
  $ bursar slurm ${name}
  $ bursar --endpoint https://budget.example.org slurm ${name} --hook-url http://10.0.0.5:8080

It asks the server for two keys, so it needs one of the scope admin (BURSAR_TOKEN, --token-file). A job_submit.lua of the
site's own becomes job_submit.site.lua, and is asked first.
`,
      )
      .action(act((session, options: InstallOptions) => install(session, options)));
  }

  withPlaces(
    slurm
      .command('uninstall')
      .summary('Take the hooks out again')
      .description(
        'Take back what install has written: the block in slurm.conf, the files, the keys; scripts of the site get their names back. Files that were changed since are left, and named. While slurmctld runs with the hooks only slurm.conf is changed: restart slurmctld, then run it again.',
      ),
  )
    .option('--dry-run', 'show what would go, and touch nothing')
    .option(
      '--force',
      'also while records have not reached the service, which are lost, or slurmctld runs with the hooks: it then refuses every submission until it is restarted',
    )
    .addHelpText('after', '\nExamples:\n  $ bursar slurm uninstall --dry-run\n  $ bursar slurm uninstall\n')
    .action(act((session, options: UninstallOptions) => uninstall(session, options)));

  withPlaces(
    slurm
      .command('doctor')
      .summary('Does every hook work?')
      .description(
        'Try each hook against the live service, look at the relay, its backlog, the policy file, keys, clocks and what the controller has read, and say of each thing that is wrong how to mend it. Ends with 1 if something is wrong.',
      ),
  )
    .option('--submit-host', 'look at this machine as one that users submit from')
    .option('--account <account>', 'try a submission that this account would pay for (its hold is given back)')
    .option('--partition <partition>', 'the partition of that submission')
    .addHelpText(
      'after',
      '\nExamples:\n  $ bursar slurm doctor\n  $ bursar slurm doctor --account climate --partition gpu\n  $ bursar slurm doctor --submit-host\n  $ bursar slurm doctor --json | jq \'.findings[] | select(.state == "failed")\'\n',
    )
    .action(act((session, options: DoctorOptions) => doctor(session, options)));

  defineLook(slurm, act);
  defineWall(slurm, act);
}
