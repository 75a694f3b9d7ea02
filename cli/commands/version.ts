import type { Command } from 'commander';
import { buildFacts } from '../../platform/build-facts';
import { asbbVersion } from '../asbb';
import type { Act } from '../session';

export function defineVersion(parent: Command, act: Act): void {
  parent
    .command('version')
    .summary('Print the version')
    .description(
      'Print the version of this command, the commit it was built from, and the schema that a database must have for it; `bursar status` also prints the version of the server.',
    )
    .addHelpText('after', '\nExamples:\n  $ bursar version\n  $ bursar version --json\n')
    .action(
      act(async (session) => {
        const { version, gitCommit, buildTime, schemaVersion } = buildFacts();
        const facts = {
          version,
          git_commit: gitCommit,
          build_time: buildTime,
          schema_version: schemaVersion,
          node_version: process.version,
          os: process.platform,
          arch: process.arch,
        };
        session.answer(facts, () => {
          if (session.isAsbb) asbbVersion(session, buildFacts());
          else
            session.fields([
              ['Version', version],
              ['Git Commit', gitCommit],
              ['Build Time', buildTime],
              ['Schema', String(schemaVersion)],
              ['Node Version', process.version],
              ['OS/Arch', `${process.platform}/${process.arch}`],
            ]);
        });
      }),
    );
}
