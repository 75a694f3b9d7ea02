"""The relay beside slurmctld: what hooks have written down goes to the service, and the policy file is kept fresh.

Runs as SlurmUser. Python 3.6 and its standard library; nothing else. It decides nothing: what a record, a queue or an accounting
means is the service's to say.
"""

VERSION = '1'
