/** How the worker asks Slurm for its queue and its accounting. */
import { z } from 'zod';
import { given } from '../../domain/given';
import { slurmConfFile } from '../slurm-conf-file';
import type { Key } from './key';
import type { Values } from './keys';
import type { Findings } from './read-file';
import { duration, durationMs, listOf, TRUTH, truth, url, wholeSeconds } from './values';

const absolutePath = z.string().regex(/^\/[^\0]*$/);
const clusterNames = listOf((name) => /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/.test(name));

export const SLURM_KEYS = {
  'slurm.job_monitor_enabled': {
    schema: truth,
    expects: TRUTH,
    meaning:
      'The worker looks at the queue and the accounting of Slurm: for jobs and ends that nobody told, and for holds that no job carries. Every worker of a site needs the same.',
    default: 'false',
  },
  'slurm.clusters': {
    schema: clusterNames,
    expects: 'names of clusters with commas between them, as Slurm and Bursar both call them',
    meaning: 'Which clusters; those of the wall too. Of several, the commands are asked with --clusters.',
    otherwise: 'default_cluster',
    list: true,
  },
  'slurm.monitor_interval': {
    schema: durationMs('5s', '1h'),
    expects: duration('5s to 1h'),
    meaning: 'How often.',
    default: '30s',
  },
  'slurm.hold_grace': {
    schema: wholeSeconds('2m', '24h'),
    expects: duration('whole seconds, 2m to 24h'),
    meaning: 'How long no listing may show a job for a hold before the hold is given back.',
    default: '5m',
  },
  'slurm.bin_path': {
    schema: absolutePath,
    expects: 'the absolute path of a folder',
    meaning: 'Where squeue, sacct, sacctmgr and scontrol are.',
    default: '/usr/bin',
  },
  'slurm.config_path': {
    schema: absolutePath,
    expects: 'the absolute path of slurm.conf, or of its folder',
    meaning: 'Which slurm.conf the commands read.',
    otherwise: "Slurm's own place",
  },
  'slurm.command_timeout': {
    schema: durationMs('1s', '2m'),
    expects: duration('1s to 2m'),
    meaning: 'How long Slurm may take for one answer, by either way.',
    default: '20s',
  },
  'slurm.wall_interval': {
    schema: durationMs('10s', '24h'),
    expects: duration('10s to 24h'),
    meaning:
      'How often the worker brings the limits in the Slurm of slurm.clusters to what accounts have left, by sacctmgr and scontrol.',
    otherwise: 'never',
  },
  'slurm.rest_url': {
    schema: url(['http:', 'https:']),
    expects: 'an address like http://slurm.example.org:6820',
    meaning: 'slurmrestd, asked in place of the commands. It serves one cluster.',
    otherwise: 'the commands are asked',
  },
  'slurm.rest_user': {
    schema: z.string().regex(/^[A-Za-z_][A-Za-z0-9_.-]{0,63}$/),
    expects: 'a user name',
    meaning: 'Whose token it is; one that may see all jobs and their admin comments.',
    default: 'slurm',
  },
  'slurm.rest_token_file': {
    schema: absolutePath,
    expects: 'the absolute path of a file',
    meaning: 'A file with the token for slurmrestd, read anew for each answer, so that it can be renewed.',
    otherwise: 'needed with slurm.rest_url',
  },
} as const satisfies Record<string, Key<unknown>>;

export interface SlurmSettings {
  /** Which clusters have a scheduler that is looked at; none where nobody is to look. */
  clusters: readonly string[];
  /** Which have limits of their own that follow what is left, where slurm.wall_interval is set. */
  wallClusters: readonly string[];
  everyMs: number;
  graceSeconds: number;
  timeoutMs: number;
  binPath: string;
  configFile?: string;
  rest?: { url: string; user: string; tokenFile: string };
}

export function slurmOf(values: Values): SlurmSettings {
  const path = values['slurm.config_path'];
  const named = values['slurm.clusters'] ?? [values.default_cluster];
  const [restUrl, tokenFile] = [values['slurm.rest_url'], values['slurm.rest_token_file']];
  return Object.freeze({
    clusters: values['slurm.job_monitor_enabled'] ? named : [],
    wallClusters: named,
    everyMs: values['slurm.monitor_interval'],
    graceSeconds: values['slurm.hold_grace'],
    timeoutMs: values['slurm.command_timeout'],
    binPath: values['slurm.bin_path'],
    ...given({
      configFile: path && slurmConfFile(path),
      rest:
        restUrl === undefined || tokenFile === undefined
          ? undefined
          : { url: restUrl, user: values['slurm.rest_user'], tokenFile },
    }),
  });
}

/** What is wrong only together. */
export function checkSlurm(values: Readonly<Record<string, unknown>>, findings: Findings): void {
  const [restUrl, clusters] = [values['slurm.rest_url'], values['slurm.clusters']];
  if (restUrl === undefined) return;
  if (values['slurm.rest_token_file'] === undefined) {
    findings.mistakes.push('slurm.rest_token_file is needed with slurm.rest_url: the file with its token');
  }
  if (Array.isArray(clusters) && clusters.length > 1) {
    findings.mistakes.push('slurm.clusters names several, and slurm.rest_url serves one: leave one of the two out');
  }
}
