"""What squeue and sacct say, brought to the service as it came: which columns to ask for is the policy's, what they mean is not asked here."""
import os
import subprocess
import time

from .log import log
from .service import Refused, Unavailable

PART_BYTES = 512 * 1024


class Scheduler:
    def __init__(self, config, service, policy):
        self.config = config
        self.service = service
        self.policy = policy

    def look_at_queue(self):
        """What squeue said before the spool was emptied; it is sent after it, or a job that has ended would seem to be lost."""
        wanted = self.policy.latest.get('squeue')
        if not isinstance(wanted, dict):
            return None
        taken_at = int(time.time())
        return taken_at, self.command('squeue', wanted)

    def send_queue(self, seen):
        taken_at, text = seen
        answer = self.push('/api/v1/slurm/queue', {'taken_at': taken_at, 'sent_at': int(time.time()), 'squeue': text})
        news = numbers_of(answer)
        if any(count for name, count in news.items() if name not in ('jobs', 'bound')):
            log('queue', **news)

    def send_history(self, since):
        """Back to where the last one came, and some more: a controller that was away tells slurmdbd late. Says how far it came."""
        wanted = self.policy.latest.get('sacct')
        if not isinstance(wanted, dict):
            return since
        now = int(time.time())
        back = now - (now - 86400 if since is None else since) + self.config['history_overlap_seconds']
        text = self.command('sacct', wanted, ['-S', 'now-%dseconds' % back, '-E', 'now'])
        # That nothing has ended is told as well: until the accounting was heard, no hold is given back.
        parts = list(parts_of(text, wanted.get('header', True))) or [text]
        for number, part in enumerate(parts, 1):
            more = number < len(parts)
            news = numbers_of(self.push('/api/v1/slurm/history', {'sacct': part, 'more': more}))
            if any(count for name, count in news.items() if name not in ('duplicate', 'duplicates', 'records', 'rows')):
                log('history', **news)
        return now

    def command(self, program, wanted, more=()):
        """Runs it as the service wants it: arguments and environment are the policy's."""
        folder = self.config.get('slurm_bin')
        words = [os.path.join(folder, program) if folder else program]
        words += [str(word) for word in list(wanted.get('arguments') or []) + list(more)]
        env = dict(os.environ, LC_ALL='C')
        for name, value in (wanted.get('environment') or {}).items():
            env[str(name)] = str(value)
        if self.config.get('slurm_conf'):
            env['SLURM_CONF'] = self.config['slurm_conf']
        try:
            done = subprocess.run(
                words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, timeout=self.config['command_seconds']
            )
        except (OSError, subprocess.SubprocessError) as error:
            raise Unavailable('%s: %s' % (program, error))
        if done.returncode != 0:
            complaint = done.stderr.decode('utf-8', 'replace').strip().split('\n')[0]
            raise Unavailable('%s ended with %d: %s' % (program, done.returncode, complaint))
        return done.stdout.decode('utf-8', 'replace')

    def push(self, path, body):
        """Nothing is put aside: the next look tells all of it again."""
        try:
            return self.service.post(path, body)
        except Refused as error:
            raise Unavailable(str(error))


def numbers_of(answer):
    if not isinstance(answer, dict):
        return {}
    return {name: value for name, value in answer.items() if isinstance(value, int) and not isinstance(value, bool)}


def parts_of(text, has_header):
    """Whole lines, half a megabyte at a time, each part with the heading."""
    lines = text.splitlines(True)
    heading, rows = (lines[:1], lines[1:]) if has_header else ([], lines)
    part, size = [], 0
    for row in rows:
        part.append(row)
        size += len(row)
        if size > PART_BYTES:
            yield ''.join(heading + part)
            part, size = [], 0
    if part:
        yield ''.join(heading + part)
