"""The way from the spool to the service.

Lines go in order, and how far they came is written down only once the service has said that it has them. Killed anywhere, the
relay sends a batch again; the service drops duplicates.
"""
import json

from .log import log
from .service import Refused, Unavailable

# Beyond this a file is done with once it is sent.
TURN_BYTES = 1024 * 1024


class Delivery:
    def __init__(self, service, rejected):
        self.service = service
        self.rejected = rejected

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
            return self.let_go(spool, path, size, after)
        counts = self.send(self.readable(lines))
        spool.keep_offset(path, after)
        if counts:
            log('sent', source=spool.source, **counts)
        return True

    def let_go(self, spool, path, size, after):
        """All whole lines of the file are sent. Says whether another one may have lines now."""
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
                self.rejected.put_aside(file.read(), 'the line has no end')
        spool.finish()
        return True

    def readable(self, lines):
        records = []
        for line in lines:
            record = record_of(line)
            if record is None:
                self.rejected.put_aside(line, 'the line cannot be read')
            else:
                records.append((line, record))
        return records

    def send(self, records):
        """In halves where the whole is refused, until each that is refused is alone. Says what became of how many."""
        counts = {}
        if not records:
            return counts
        try:
            answer = self.service.post('/api/v1/slurm/events', {'records': [record for _, record in records]})
        except Refused as error:
            if len(records) == 1:
                self.rejected.put_aside(records[0][0], str(error))
                return {'rejected': 1}
            middle = len(records) // 2
            for half in (records[:middle], records[middle:]):
                for status, count in self.send(half).items():
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
                self.rejected.put_aside(line, str(receipt.get('detail') or 'no reason given'))
        return counts


def record_of(line):
    try:
        record = json.loads(line.decode('utf-8', 'replace'))
    except ValueError:
        return None
    return record if isinstance(record, dict) else None
