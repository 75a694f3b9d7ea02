/** Slurm's commands as they answered once: they say what was recorded, change nothing, and note what they were asked to do. */
import { chmodSync, copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './scratch';

const RECORDED = join(__dirname, '../recordings/slurm-22.05');

export interface RecordedSlurm {
  /** The folder of the commands. */
  bin: string;
  /** What was asked of sacctmgr beside questions, since the last look. */
  asked(): string[];
  /** Which slurm.conf scontrol was told of last. */
  conf(): string;
  /** From now on it answers for associations with this. */
  associations(text: string): void;
  /** From now on sacctmgr refuses changes with these words. */
  refuse(words: string): void;
}

/** `clusters`: those of its slurmdbd; the recorded one answers for each. */
export function recordedSlurm({ clusters = ['wall'] }: { clusters?: readonly string[] } = {}): RecordedSlurm {
  const bin = scratchFolder();
  const [log, refusal, conf] = [join(bin, 'asked'), join(bin, 'refusal'), join(bin, 'conf')];
  const associations = join(bin, 'associations');
  copyFileSync(join(RECORDED, 'associations.txt'), associations);
  const script = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}`);
    chmodSync(join(bin, name), 0o755);
  };
  const play = (name: string) => `cat ${RECORDED}/${name}.txt`;
  script(
    'scontrol',
    `echo "$SLURM_CONF" > ${conf}
case "$1" in --clusters=*) echo "scontrol $1" >> ${log}; shift;; esac
case "$*" in "show config") ${play('config')};; *assoc_mgr*) ${play('usage')};; *partition) ${play('partitions')};; esac\n`,
  );
  script('squeue', 'echo normal\n');
  script(
    'sacctmgr',
    `case "$*" in
  *"show qos"*) ${play('qos')};;
  *"show cluster"*) printf '%s\\n' ${clusters.join(' ')};;
  *"show assoc"*) cat ${associations};;
  *"show transactions"*) ${play('changes')};;
  *) if [ -e ${refusal} ]; then cat ${refusal} >&2; exit 1; fi; echo "$*" >> ${log};;
esac
`,
  );
  return {
    bin,
    asked() {
      const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
      // What is written between the two is not lost where there was nothing to forget.
      if (lines.length > 0) writeFileSync(log, '');
      return lines;
    },
    associations: (text) => writeFileSync(associations, text),
    conf: () => readFileSync(conf, 'utf8').trim(),
    refuse: (words) => writeFileSync(refusal, words),
  };
}
