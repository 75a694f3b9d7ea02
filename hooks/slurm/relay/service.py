"""The API of Bursar, as far as a relay needs it."""
import json
import ssl
import urllib.error
import urllib.request

from . import VERSION


class Unavailable(Exception):
    """Nothing can be taken, or learned, now; the same again later."""


class Refused(Exception):
    """The service will never take this."""


class Service:
    def __init__(self, config):
        self.config = config
        self.url = (config.get('relay_url') or config['url']).rstrip('/')
        self.context = ssl.create_default_context(cafile=config.get('ca_file')) if self.url.startswith('https:') else None
        # The controller's proxy settings, if any, are for the world outside.
        handlers = [urllib.request.ProxyHandler({})]
        if self.context:
            handlers.append(urllib.request.HTTPSHandler(context=self.context))
        self.opener = urllib.request.build_opener(*handlers)

    def get(self, path):
        return self.call(path)

    def post(self, path, body):
        """In the name of this cluster; without one the service knows it by the key."""
        cluster = self.config.get('cluster')
        return self.call(path, dict(body, cluster=cluster) if cluster else body)

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
