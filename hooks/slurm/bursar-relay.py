#!/usr/bin/env python3
"""Brings what Bursar's hooks in Slurm have written down to the service, and keeps their policy file fresh. See relay/__init__.py."""
import sys

# The folder beside it holds what was installed and nothing else, also where root runs this by hand.
sys.dont_write_bytecode = True

from relay.main import main

main()
