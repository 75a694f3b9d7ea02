"""slurm.json, as far as the relay reads it."""
import sys

from .disk import read_json

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


def read_config(path):
    """All that is wrong with it is said at once, and the relay does not begin."""
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
