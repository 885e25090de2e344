# SPDX-License-Identifier: MIT
"""Tools whose absence must fail a test instead of skipping it: RENACER_REQUIRE="strace,go,cc"."""

from __future__ import annotations

import os
import re

REQUIRED = frozenset(filter(None, re.split(r"[,\s]+", os.environ.get("RENACER_REQUIRE", ""))))
