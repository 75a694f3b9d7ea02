"""The policy file: what the hooks decide by while the service is away."""
import ipaddress
import json
import socket
import time
from urllib.parse import quote, urlsplit

from .disk import read_json, write_whole
from .log import log
from .service import Unavailable


class Policy:
    def __init__(self, config, service):
        self.config = config
        self.service = service
        self.latest = read_json(config['policy_file']) or {}

    def refresh(self):
        cluster = self.config.get('cluster')
        policy = self.service.get('/api/v1/slurm/policy' + ('?cluster=' + quote(cluster, safe='') if cluster else ''))
        if not isinstance(policy, dict):
            raise Unavailable('the policy is no object')
        policy['addresses'] = addresses_of(self.config['url']) or self.latest.get('addresses') or self.config.get('addresses') or []
        policy['fetched_at'] = int(time.time())
        write_whole(self.config['policy_file'], json.dumps(policy).encode())
        if without_times(policy) != without_times(self.latest):
            log('policy', failure_policy=policy.get('failure_policy'), file=self.config['policy_file'])
        self.latest = policy


def without_times(policy):
    return {name: value for name, value in policy.items() if name not in ('made_at', 'fetched_at')}


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
