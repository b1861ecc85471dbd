"""`python -m spikeformers` is the command `spikeformers`."""

import sys

from spikeformers.cli.main import main

sys.exit(main())
