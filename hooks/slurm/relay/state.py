"""What the relay says of itself to `bursar slurm doctor`, and remembers when it is started again."""
import json
import os
import time

from . import VERSION
from .disk import read_json, write_whole
from .log import log


class State:
    def __init__(self, config):
        self.file = config.get('state_file') or os.path.join(os.path.dirname(config['policy_file']), 'relay.json')
        self.facts = read_json(self.file) or {}
        self.facts.update(pid=os.getpid(), version=VERSION, started_at=int(time.time()))
        self.told, self.told_at = None, 0

    def get(self, name, otherwise=None):
        return self.facts.get(name, otherwise)

    def update(self, **facts):
        self.facts.update(facts)

    def keep(self, at_once=False):
        """An idle relay need not keep the disk awake: news at once, else that it is alive, now and then."""
        self.facts['at'] = int(time.time())
        news = {name: value for name, value in self.facts.items() if name not in ('at', 'sent_at')}
        if not at_once and news == self.told and self.facts['at'] - self.told_at < 10:
            return
        self.told, self.told_at = news, self.facts['at']
        try:
            write_whole(self.file, json.dumps(self.facts).encode())
        except OSError as error:
            log('cannot: keep the state', reason=str(error))
