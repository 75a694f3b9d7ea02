/** Slurm's commands as they answered once: they say what was recorded, change nothing, and note what they were asked to do. */
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { scratchFolder } from './scratch';

const RECORDED = join(__dirname, '../recordings/slurm-22.05');

export interface RecordedSlurm {
  /** The folder of the commands. */
  bin: string;
  /** What was asked of sacctmgr beside questions, since the last look. */
  asked(): string[];
  /** From now on sacctmgr refuses changes with these words. */
  refuse(words: string): void;
}

export function recordedSlurm(): RecordedSlurm {
  const bin = scratchFolder();
  const [log, refusal] = [join(bin, 'asked'), join(bin, 'refusal')];
  const script = (name: string, text: string) => {
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}`);
    chmodSync(join(bin, name), 0o755);
  };
  const play = (name: string) => `cat ${RECORDED}/${name}.txt`;
  script(
    'scontrol',
    `case "$*" in "show config") ${play('config')};; *assoc_mgr*) ${play('usage')};; *partition) ${play('partitions')};; esac\n`,
  );
  script('squeue', 'echo normal\n');
  script(
    'sacctmgr',
    `case "$*" in
  *"show qos"*) ${play('qos')};;
  *"show assoc"*) ${play('associations')};;
  *"show transactions"*) ${play('changes')};;
  *) if [ -e ${refusal} ]; then cat ${refusal} >&2; exit 1; fi; echo "$*" >> ${log};;
esac
`,
  );
  return {
    bin,
    asked() {
      const lines = existsSync(log) ? readFileSync(log, 'utf8').split('\n').slice(0, -1) : [];
      writeFileSync(log, '');
      return lines;
    },
    refuse: (words) => writeFileSync(refusal, words),
  };
}
