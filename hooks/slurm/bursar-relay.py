#!/usr/bin/env python3
"""Brings what Bursar's hooks in Slurm have written down to the service, and keeps their policy file fresh.

Runs as SlurmUser beside slurmctld. Python 3.6 and its standard library; nothing else.

The spool: a hook appends to SOURCE.ndjson. The relay sends its lines in order, and writes down how far it came (SOURCE.offset,
fsynced) only once the service has said that it has them. Killed anywhere, it sends a batch again; the service drops duplicates.
A file that has grown enough is renamed to SOURCE.sending and removed when all of it is sent. What can never be taken goes to
rejected.ndjson with the reason.
"""
import argparse
import fcntl
import ipaddress
import json
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from urllib.parse import quote, urlsplit

VERSION = '1'

# Submissions before ends: a late hold wants to be placed before its job is charged.
SOURCES = ('submit', 'prolog', 'epilog', 'jobcomp')

BATCH_RECORDS = 500
BATCH_BYTES = 512 * 1024
# Beyond this a file is done with once it is sent.
TURN_BYTES = 1024 * 1024
# How long somebody who opened a file before it was renamed may take to write his line.
GRACE = 5
REJECTED_BYTES_MAX = 64 * 1024 * 1024
DEFAULTS = {
    'spool': '/var/spool/bursar',
    'policy_file': '/var/lib/bursar/policy.json',
    'policy_seconds': 30,
    'queue_seconds': 30,
    'history_seconds': 600,
    'history_overlap_seconds': 3600,
    'request_seconds': 20,
    'command_seconds': 120,
    'back_off_seconds': 30,
}


def log(what, **facts):
    """One line a fact; journald and syslog add the time."""
    words = ['%s=%s' % (name, json.dumps(value) if isinstance(value, str) and ' ' in value else value) for name, value in facts.items()]
    print(' '.join([what] + words), flush=True)


class Unavailable(Exception):
    """The service cannot take anything now; the same again later."""


class Refused(Exception):
    """The service will never take this."""


def write_whole(path, data):
    """Readers see the old file or the new one, also after a power cut."""
    half = path + '.half'
    with open(half, 'wb') as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.rename(half, path)
    sync_folder(os.path.dirname(path) or '.')


def sync_folder(folder):
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def read_json(path):
    try:
        with open(path, encoding='utf-8') as file:
            value = json.load(file)
        return value if isinstance(value, dict) else None
    except (OSError, ValueError):
        return None


class Service:
    """The API of Bursar, as far as a relay needs it."""

    def __init__(self, config):
        self.config = config
        self.url = (config.get('relay_url') or config['url']).rstrip('/')
        self.context = ssl.create_default_context(cafile=config.get('ca_file')) if self.url.startswith('https:') else None
        # The controller's proxy settings, if any, are for the world outside.
        handlers = [urllib.request.ProxyHandler({})]
        if self.context:
            handlers.append(urllib.request.HTTPSHandler(context=self.context))
        self.opener = urllib.request.build_opener(*handlers)

    def call(self, path, body=None):
        try:
            with open(self.config['token_file'], encoding='ascii') as file:
                token = file.read().strip()
        except (OSError, ValueError) as error:
            raise Unavailable('no key: %s' % error)
        headers = {'Authorization': 'Bearer ' + token, 'User-Agent': 'bursar-relay/' + VERSION}
        data = None
        if body is not None:
            headers['Content-Type'] = 'application/json'
            data = json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data=data, headers=headers)
        try:
            with self.opener.open(request, timeout=self.config['request_seconds']) as answer:
                return json.loads(answer.read().decode('utf-8'))
        except urllib.error.HTTPError as error:
            detail = 'HTTP %d: %s' % (error.code, detail_of(error))
            if error.code in (400, 413, 422):
                raise Refused(detail)
            raise Unavailable(detail)
        except (OSError, ValueError, EOFError) as error:
            raise Unavailable(str(getattr(error, 'reason', error)))
        except Exception as error:  # http.client has errors of its own for broken answers.
            raise Unavailable(repr(error))


def detail_of(error):
    try:
        body = json.loads(error.read().decode('utf-8'))
        return str(body.get('detail') or body.get('title'))[:500]
    except Exception:
        return 'no reason given'


class Spool:
    """The files of one source: one that grows, and one that has grown enough and is sent to its end. The older goes first."""

    def __init__(self, folder, source):
        self.folder = folder
        self.source = source
        self.growing = os.path.join(folder, source + '.ndjson')
        self.sending = os.path.join(folder, source + '.sending')
        self.mark = os.path.join(folder, source + '.offset')
        self.dropped_seen = 0
        # What this process knows of the mark, and why the disk does not have it.
        self.kept = None
        self.not_kept = None

    def current(self):
        """The file whose lines are next, its size and how far it has come; None where nothing was ever written."""
        for path in (self.sending, self.growing):
            try:
                status = os.stat(path)
            except OSError:
                continue
            return path, status.st_size, self.offset(status)
        return None

    def offset(self, status):
        """The mark names the file by its inode, which renaming keeps. The mark of another file says nothing."""
        try:
            inode, offset = self.kept or self.read_mark()
        except (OSError, ValueError):
            return 0
        return offset if inode == status.st_ino and offset <= status.st_size else 0

    def read_mark(self):
        with open(self.mark, encoding='ascii') as file:
            inode, offset = [int(word) for word in file.read().split()]
        return inode, offset

    def keep_offset(self, path, offset):
        """A full disk takes no mark, and that must not keep what comes next: without it a relay that is killed sends some again."""
        self.kept = os.stat(path).st_ino, offset
        try:
            write_whole(self.mark, ('%d %d\n' % self.kept).encode())
            self.not_kept = None
        except OSError as error:
            self.not_kept = str(error)

    def batch(self, path, offset):
        """Lines from there on, on the disk before the first of them is sent, and where the next ones begin.

        A line without an end is left for later."""
        lines, size = [], 0
        with open(path, 'rb') as file:
            os.fsync(file.fileno())
            file.seek(offset)
            while len(lines) < BATCH_RECORDS and size < BATCH_BYTES:
                line = file.readline()
                if not line.endswith(b'\n'):
                    break
                offset += len(line)
                if line.strip():
                    lines.append(line)
                    size += len(line)
        return lines, offset

    def turn(self):
        """The growing file has grown enough: hooks begin another, this one is sent to its end and removed."""
        os.rename(self.growing, self.sending)
        sync_folder(self.folder)

    def is_settled(self):
        """Nobody is still writing: whoever had it open when it was renamed has had the time."""
        status = os.stat(self.sending)
        return time.time() - max(status.st_mtime, status.st_ctime) > GRACE

    def finish(self):
        # In this order: another file may get the same inode, and must not find a mark.
        try:
            os.unlink(self.mark)
        except OSError:
            pass
        sync_folder(self.folder)
        os.unlink(self.sending)
        self.kept = self.not_kept = None

    def backlog(self):
        current = self.current()
        whole = size_of(self.growing) + size_of(self.sending)
        return whole - current[2] if current else 0

    def dropped(self):
        return size_of(self.growing + '.dropped')


def size_of(path):
    try:
        return os.stat(path).st_size
    except OSError:
        return 0


class Relay:
    def __init__(self, config):
        self.config = config
        self.service = Service(config)
        self.spools = [Spool(config['spool'], source) for source in SOURCES]
        self.rejected_file = os.path.join(config['spool'], 'rejected.ndjson')
        self.state_file = config.get('state_file') or os.path.join(os.path.dirname(config['policy_file']), 'relay.json')
        self.state = read_json(self.state_file) or {}
        self.state.update(pid=os.getpid(), version=VERSION, started_at=int(time.time()))
        self.state_told, self.state_told_at = None, 0
        self.due = {}
        self.policy = read_json(config['policy_file']) or {}
        self.trouble = {}
        self.ending = False

    # Sending -----------------------------------------------------------------------------------------------------------------

    def drain(self):
        for spool in self.spools:
            while not self.ending and self.send_some(spool):
                pass
            self.tell('keep how far %s was sent' % spool.source, spool.not_kept)
            dropped = spool.dropped()
            if dropped > spool.dropped_seen:
                log('dropped: the spool was full', source=spool.source, records=dropped)
            spool.dropped_seen = dropped

    def send_some(self, spool):
        """One batch; False where there is no more for now."""
        current = spool.current()
        if current is None:
            return False
        path, size, offset = current
        lines, after = spool.batch(path, offset) if size > offset else ([], offset)
        if not lines:
            if after > offset:
                spool.keep_offset(path, after)
            if path == spool.growing:
                # On a full disk what was sent is let go at once: it is the room for what comes next.
                if after < (1 if spool.not_kept else TURN_BYTES):
                    return False
                spool.turn()
                return True
            if not spool.is_settled():
                return False
            if size > after:
                with open(path, 'rb') as file:
                    file.seek(after)
                    self.put_aside(file.read(), 'the line has no end')
            spool.finish()
            return True
        records = []
        for line in lines:
            record = record_of(line)
            if record is None:
                self.put_aside(line, 'the line cannot be read')
            else:
                records.append((line, record))
        counts = self.deliver(records)
        spool.keep_offset(path, after)
        if counts:
            log('sent', source=spool.source, **counts)
        return True

    def deliver(self, records):
        """Sends them, in halves where the whole is refused, until each that is refused is alone. Says what became of how many."""
        counts = {}
        if not records:
            return counts
        body = {'records': [record for _, record in records]}
        if self.config.get('cluster'):
            body['cluster'] = self.config['cluster']
        try:
            answer = self.service.call('/api/v1/slurm/events', body)
        except Refused as error:
            if len(records) == 1:
                self.put_aside(records[0][0], str(error))
                return {'rejected': 1}
            middle = len(records) // 2
            for half in (records[:middle], records[middle:]):
                for status, count in self.deliver(half).items():
                    counts[status] = counts.get(status, 0) + count
            return counts
        receipts = answer.get('receipts') if isinstance(answer, dict) else None
        if not isinstance(receipts, list) or len(receipts) != len(records):
            raise Unavailable('the answer has not one receipt for each record')
        for (line, _), receipt in zip(records, receipts):
            status = receipt.get('status') if isinstance(receipt, dict) else None
            status = status if isinstance(status, str) else 'unknown'
            counts[status] = counts.get(status, 0) + 1
            if status == 'rejected':
                self.put_aside(line, str(receipt.get('detail') or 'no reason given'))
        return counts

    def put_aside(self, line, reason):
        """Kept for people, on the disk before the offset moves past it; where the disk is full, in the log."""
        text = line.decode('utf-8', 'replace').strip()
        kept = json.dumps({'reason': reason, 'at': int(time.time()), 'line': text})
        self.state['rejected'] = self.state.get('rejected', 0) + 1
        try:
            if size_of(self.rejected_file) > REJECTED_BYTES_MAX:
                os.rename(self.rejected_file, self.rejected_file + '.1')
            with open(self.rejected_file, 'ab') as file:
                file.write(kept.encode() + b'\n')
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log('put aside', reason=reason, file='none: %s' % error, line=text[:4000])
            return
        log('put aside', reason=reason, file=self.rejected_file)

    # Keeping fresh -----------------------------------------------------------------------------------------------------------

    def refresh_policy(self):
        cluster = self.config.get('cluster')
        policy = self.service.call('/api/v1/slurm/policy' + ('?cluster=' + quote(cluster, safe='') if cluster else ''))
        if not isinstance(policy, dict):
            raise Unavailable('the policy is no object')
        policy['addresses'] = addresses_of(self.config['url']) or self.policy.get('addresses') or self.config.get('addresses') or []
        policy['fetched_at'] = int(time.time())
        write_whole(self.config['policy_file'], json.dumps(policy).encode())
        told = ('made_at', 'fetched_at')
        if {k: v for k, v in policy.items() if k not in told} != {k: v for k, v in self.policy.items() if k not in told}:
            log('policy', failure_policy=policy.get('failure_policy'), file=self.config['policy_file'])
        self.policy = policy
        self.state['policy_at'] = policy['fetched_at']

    def command(self, program, wanted, more=()):
        """Runs it as the service wants it: arguments and environment are the policy's, what comes out is nobody's business here."""
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
        if self.config.get('cluster'):
            body['cluster'] = self.config['cluster']
        try:
            return self.service.call(path, body)
        except Refused as error:
            raise Unavailable(str(error))

    def look_at_queue(self):
        """What squeue said before the spool was emptied; it is sent after it, or a job that has ended would seem to be lost."""
        wanted = self.policy.get('squeue')
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

    def send_history(self):
        wanted = self.policy.get('sacct')
        if not isinstance(wanted, dict):
            return
        now = int(time.time())
        # Back to where the last one came, and some more: a controller that was away tells slurmdbd late.
        back = now - self.state.get('history_until', now - 86400) + self.config['history_overlap_seconds']
        text = self.command('sacct', wanted, ['-S', 'now-%dseconds' % back, '-E', 'now'])
        # That nothing has ended is told as well: until the accounting was heard, no hold is given back.
        parts = list(parts_of(text, wanted.get('header', True))) or [text]
        for number, part in enumerate(parts, 1):
            more = number < len(parts)
            news = numbers_of(self.push('/api/v1/slurm/history', {'sacct': part, 'more': more}))
            if any(count for name, count in news.items() if name not in ('duplicate', 'duplicates', 'records', 'rows')):
                log('history', **news)
        self.state['history_until'] = now

    # One round ---------------------------------------------------------------------------------------------------------------

    def is_due(self, name, seconds, now):
        return seconds > 0 and now >= self.due.get(name, 0)

    def attempt(self, name, act):
        """Each part by itself: a controller that does not answer squeue is no reason to keep the spool."""
        try:
            result = act()
        except (Unavailable, OSError) as error:
            self.tell(name, str(error))
            return False, None
        self.tell(name, None)
        return True, result

    def tell(self, name, reason):
        """What cannot be done, and why; None: it can. News is told once."""
        if reason is None:
            if self.trouble.pop(name, None):
                log('works again: ' + name)
            return
        if self.trouble.get(name) != reason:
            log('cannot: ' + name, reason=reason)
        self.trouble[name] = reason

    def round(self):
        now = time.monotonic()
        well = True
        if self.is_due('policy', self.config['policy_seconds'], now):
            done, _ = self.attempt('refresh the policy', self.refresh_policy)
            self.due['policy'] = now + self.config['policy_seconds']
            well = well and done
        seen = None
        if self.is_due('queue', self.config['queue_seconds'], now):
            done, seen = self.attempt('look at the queue', self.look_at_queue)
            self.due['queue'] = now + self.config['queue_seconds']
            well = well and done
        sent, _ = self.attempt('send the spool', self.drain)
        if sent and seen and not self.ending:
            done, _ = self.attempt('send the queue', lambda: self.send_queue(seen))
            well = well and done
        if sent and self.is_due('history', self.config['history_seconds'], now):
            done, _ = self.attempt('send the history', self.send_history)
            self.due['history'] = now + (self.config['history_seconds'] if done else min(60, self.config['history_seconds']))
            well = well and done
        if sent:
            self.state['sent_at'] = int(time.time())
        self.keep_state()
        return well and sent

    def keep_state(self):
        self.state.update(
            at=int(time.time()),
            backlog_bytes=sum(spool.backlog() for spool in self.spools),
            dropped=sum(spool.dropped() for spool in self.spools),
            trouble=[{'what': name, 'why': why} for name, why in sorted(self.trouble.items())],
        )
        # An idle relay need not keep the disk awake: news at once, else that it is alive, now and then.
        news = {name: value for name, value in self.state.items() if name not in ('at', 'sent_at')}
        if news == self.state_told and self.state['at'] - self.state_told_at < 10:
            return
        self.state_told, self.state_told_at = news, self.state['at']
        try:
            write_whole(self.state_file, json.dumps(self.state).encode())
        except OSError as error:
            log('cannot: keep the state', reason=str(error))

    def run(self):
        pause = 1.0
        while not self.ending:
            well = self.round()
            pause = 1.0 if well else min(self.config['back_off_seconds'], pause * 2)
            # Many relays that lost one service do not all come back at once.
            self.sleep(pause if well else pause * random.uniform(0.8, 1.2))
        self.state_told = None
        self.keep_state()
        log('ended')

    def sleep(self, seconds):
        until = time.monotonic() + seconds
        while not self.ending and time.monotonic() < until:
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))


def record_of(line):
    try:
        record = json.loads(line.decode('utf-8', 'replace'))
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


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
        if size > BATCH_BYTES:
            yield ''.join(heading + part)
            part, size = [], 0
    if part:
        yield ''.join(heading + part)


def addresses_of(url):
    """Looked up here, because the hook's deadline does not bound a name server."""
    host = urlsplit(url).hostname or ''
    try:
        return [str(ipaddress.ip_address(host))]
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return []
    addresses = []
    for each in found:
        if each[4][0] not in addresses:
            addresses.append(each[4][0])
    return addresses


def read_config(path):
    config = read_json(path)
    if config is None:
        sys.exit('bursar-relay: %s cannot be read as JSON' % path)
    merged = dict(DEFAULTS)
    merged.update(config)
    missing = [name for name in ('url', 'token_file') if not isinstance(merged.get(name), str)]
    wrong = [name for name, value in DEFAULTS.items() if isinstance(value, int) and not is_number(merged[name])]
    if missing or wrong:
        complaints = ['%s is missing' % name for name in missing] + ['%s must be a number of seconds' % name for name in wrong]
        sys.exit('bursar-relay: %s: %s' % (path, '; '.join(complaints)))
    return merged


def is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool) and value >= 0


def lock(folder):
    """One relay a spool. The lock goes with the process, however it ends."""
    file = open(os.path.join(folder, '.relay.lock'), 'w')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit('bursar-relay: another relay works on %s' % folder)
    return file


def main():
    parser = argparse.ArgumentParser(description='Brings what Bursar\'s hooks in Slurm have written down to the service.')
    parser.add_argument('--config', default=os.environ.get('BURSAR_SLURM_CONFIG', '/etc/bursar/slurm.json'))
    parser.add_argument('--once', action='store_true', help='one round of everything, and end: 0 if all of it worked, else 1')
    parser.add_argument('--version', action='version', version='bursar-relay ' + VERSION)
    options = parser.parse_args()
    config = read_config(options.config)
    os.umask(0o027)
    try:
        held = lock(config['spool'])
    except OSError as error:
        sys.exit('bursar-relay: the spool cannot be used: %s' % error)
    relay = Relay(config)

    def end(_signal, _frame):
        relay.ending = True

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    if options.once:
        sys.exit(0 if relay.round() else 1)
    log('began', version=VERSION, service=relay.service.url, spool=config['spool'])
    relay.run()
    held.close()


if __name__ == '__main__':
    main()
