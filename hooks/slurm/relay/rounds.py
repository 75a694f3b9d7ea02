"""Round after round: the policy file, the queue, the spool, the accounting, each when it is due and each by itself."""
import random
import time

from .delivery import Delivery
from .log import log, Troubles
from .policy import Policy
from .scheduler import Scheduler
from .service import Service, Unavailable
from .spool import Rejected, Spool
from .state import State

# Submissions before ends: a late hold wants to be placed before its job is charged.
SOURCES = ('submit', 'prolog', 'epilog', 'jobcomp')


class Relay:
    def __init__(self, config):
        self.config = config
        self.state = State(config)
        self.troubles = Troubles()
        self.service = Service(config)
        self.policy = Policy(config, self.service)
        self.scheduler = Scheduler(config, self.service, self.policy)
        self.spools = [Spool(config['spool'], source) for source in SOURCES]
        self.rejected = Rejected(config['spool'], self.state.get('rejected', 0))
        self.delivery = Delivery(self.service, self.rejected)
        self.due = {}
        self.ending = False

    def run(self):
        pause = 1.0
        while not self.ending:
            well = self.round()
            pause = 1.0 if well else min(self.config['back_off_seconds'], pause * 2)
            # Many relays that lost one service do not all come back at once.
            self.sleep(pause if well else pause * random.uniform(0.8, 1.2))
        self.keep_state(at_once=True)
        log('ended')

    def sleep(self, seconds):
        until = time.monotonic() + seconds
        while not self.ending and time.monotonic() < until:
            time.sleep(min(0.2, max(0.0, until - time.monotonic())))

    def round(self):
        """Says whether all that was due worked."""
        now = time.monotonic()
        well = True
        if self.is_due('policy', now):
            done, _ = self.attempt('refresh the policy', self.refresh_policy)
            self.put_off('policy', now)
            well = well and done
        seen = None
        if self.is_due('queue', now):
            done, seen = self.attempt('look at the queue', self.scheduler.look_at_queue)
            self.put_off('queue', now)
            well = well and done
        sent, _ = self.attempt('send the spool', self.drain)
        if sent and seen and not self.ending:
            done, _ = self.attempt('send the queue', lambda: self.scheduler.send_queue(seen))
            well = well and done
        if sent and self.is_due('history', now):
            done, _ = self.attempt('send the history', self.send_history)
            self.put_off('history', now, None if done else 60)
            well = well and done
        if sent:
            self.state.update(sent_at=int(time.time()))
        self.keep_state()
        return well and sent

    def is_due(self, name, now):
        return self.config[name + '_seconds'] > 0 and now >= self.due.get(name, 0)

    def put_off(self, name, now, seconds_max=None):
        seconds = self.config[name + '_seconds']
        self.due[name] = now + (seconds if seconds_max is None else min(seconds_max, seconds))

    def attempt(self, name, act):
        """Each part by itself: a controller that does not answer squeue is no reason to keep the spool."""
        try:
            result = act()
        except (Unavailable, OSError) as error:
            self.troubles.tell(name, str(error))
            return False, None
        self.troubles.tell(name, None)
        return True, result

    def refresh_policy(self):
        self.policy.refresh()
        self.state.update(policy_at=self.policy.latest['fetched_at'])

    def drain(self):
        for spool in self.spools:
            while not self.ending and self.delivery.send_some(spool):
                pass
            self.troubles.tell('keep how far %s was sent' % spool.source, spool.not_kept)
            spool.tell_dropped()

    def send_history(self):
        until = self.scheduler.send_history(self.state.get('history_until'))
        if until is not None:
            self.state.update(history_until=until)

    def keep_state(self, at_once=False):
        if self.rejected.count:
            self.state.update(rejected=self.rejected.count)
        self.state.update(
            backlog_bytes=sum(spool.backlog() for spool in self.spools),
            dropped=sum(spool.dropped() for spool in self.spools),
            trouble=self.troubles.listed(),
        )
        self.state.keep(at_once)
