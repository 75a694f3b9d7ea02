"""The spool's files: what hooks append to, how far it was sent, and what can never be taken.

A hook appends to SOURCE.ndjson. How far its lines were sent is written down in SOURCE.offset, fsynced. A file that has grown
enough is renamed to SOURCE.sending and removed when all of it is sent.
"""
import json
import os
import time

from .disk import size_of, sync_folder, write_whole
from .log import log

BATCH_RECORDS = 500
BATCH_BYTES = 512 * 1024
# How long somebody who opened a file before it was renamed may take to write his line.
GRACE = 5
REJECTED_BYTES_MAX = 64 * 1024 * 1024


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

    def tell_dropped(self):
        dropped = self.dropped()
        if dropped > self.dropped_seen:
            log('dropped: the spool was full', source=self.source, records=dropped)
        self.dropped_seen = dropped


class Rejected:
    """What the service will never take, kept for people with the reason."""

    def __init__(self, folder, count):
        self.path = os.path.join(folder, 'rejected.ndjson')
        self.count = count

    def put_aside(self, line, reason):
        """On the disk before the offset moves past it; where the disk is full, in the log."""
        text = line.decode('utf-8', 'replace').strip()
        kept = json.dumps({'reason': reason, 'at': int(time.time()), 'line': text})
        self.count += 1
        try:
            if size_of(self.path) > REJECTED_BYTES_MAX:
                os.rename(self.path, self.path + '.1')
            with open(self.path, 'ab') as file:
                file.write(kept.encode() + b'\n')
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            log('put aside', reason=reason, file='none: %s' % error, line=text[:4000])
            return
        log('put aside', reason=reason, file=self.path)
