"""Entry point of ``python -m reward_hypotheses.cli``."""

import sys

from reward_hypotheses.cli.main import command

sys.exit(command())
