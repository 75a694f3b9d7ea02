/** `bursar slurm doctor`: tries each hook against the live service, and says of each thing that is wrong how to mend it. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { EXIT, Stop } from '../../exit';
import type { Session } from '../../session';
import { plural } from '../../text';
import { CONFIG, layoutOf, onDisk, type Layout, type PlaceOptions } from '../layout';
import { askController } from '../probe';
import { readManifest } from '../manifest';
import { readSlurmConf } from '../slurm-conf';
import { readConfiguration } from './configuration';
import { FINDING_FIELDS, type Finding } from './finding';
import { hourFile } from './hour-file';
import { hookFiles, policyFile, relay, slurmConf } from './machine';
import { rights } from './rights';
import { hooks, scripts, service } from './service';
import { submitHost } from './submit-host';

export interface DoctorOptions extends PlaceOptions {
  submitHost?: boolean;
  account?: string;
  partition?: string;
}

export async function doctor(session: Session, options: DoctorOptions): Promise<void> {
  const layout = layoutOf(options, session.io.env);
  const findings = options.submitHost ? await submitHost(layout) : await controller(session, layout, options);
  const bad = findings.filter(({ state }) => state === 'failed');
  session.answer(
    { ok: bad.length === 0, findings },
    () => {
      session.table(findings, [
        { title: 'CHECK', value: ({ check }) => check },
        {
          title: 'STATE',
          value: ({ state }) => state,
          color: ({ state }) =>
            (({ ok: 'green', warning: 'yellow', failed: 'red', unknown: 'yellow' }) as const)[state],
        },
        { title: 'DETAIL', value: ({ detail }) => detail, shrinksTo: 30 },
      ]);
      const mends = findings.filter(({ mend }) => mend !== undefined);
      if (mends.length > 0) session.heading('What to do');
      for (const { check, mend } of mends) session.say(`  ${check}: ${mend}`);
    },
    FINDING_FIELDS,
    findings,
  );
  if (bad.length > 0)
    throw new Stop(EXIT.failure, `${plural(bad.length, 'thing')} ${bad.length === 1 ? 'is' : 'are'} wrong.`);
}

async function controller(session: Session, layout: Layout, options: DoctorOptions): Promise<Finding[]> {
  const { finding, config } = readConfiguration(onDisk(layout, join(layout.etc, CONFIG)));
  const settings = readSlurmConf(onDisk(layout, layout.conf));
  const active = await askController(layout, session);
  const machine = [finding, ...hookFiles(layout), ...slurmConf(layout, settings, active)];
  if (config === undefined) return machine;
  const slurmUser = readManifest(layout)?.asked?.slurm_user ?? settings.get('slurmuser')?.value ?? 'root';
  return [
    ...machine,
    ...rights(layout, config, slurmUser),
    ...(await service(session, config)),
    ...(await hooks(layout, config, options)),
    ...(await scripts(layout)),
    ...relay(session, config),
    policyFile(session, config),
    ...hourFile(session, config),
    ...(existsSync(onDisk(layout, join(layout.slurm, 'cli_filter.lua'))) ? await submitHost(layout) : []),
  ];
}
