# SPDX-License-Identifier: MIT
"""``python -m renacer_otel``: the same as ``renacer-otel``."""

import sys

from renacer_otel.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
