"""The command: its options, one relay a spool, and its end by a signal."""
import argparse
import fcntl
import os
import signal
import sys

from . import VERSION
from .config import read_config
from .log import log
from .rounds import Relay


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


def lock(folder):
    """One relay a spool. The lock goes with the process, however it ends."""
    file = open(os.path.join(folder, '.relay.lock'), 'w')
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        sys.exit('bursar-relay: another relay works on %s' % folder)
    return file
