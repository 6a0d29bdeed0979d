"""Entry point of ``python -m reward_hypotheses.cli``."""

import sys

from reward_hypotheses.cli.main import main

sys.exit(main())
