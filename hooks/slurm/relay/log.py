"""What the relay says of itself: one line a fact, and each trouble once."""
import json


def log(what, **facts):
    """One line a fact; journald and syslog add the time."""
    words = ['%s=%s' % (name, json.dumps(value) if isinstance(value, str) and ' ' in value else value) for name, value in facts.items()]
    print(' '.join([what] + words), flush=True)


class Troubles:
    """What cannot be done at present, and why. News is told once."""

    def __init__(self):
        self.reasons = {}

    def tell(self, name, reason):
        """None as the reason: it can be done."""
        if reason is None:
            if self.reasons.pop(name, None):
                log('works again: ' + name)
            return
        if self.reasons.get(name) != reason:
            log('cannot: ' + name, reason=reason)
        self.reasons[name] = reason

    def listed(self):
        return [{'what': name, 'why': why} for name, why in sorted(self.reasons.items())]
