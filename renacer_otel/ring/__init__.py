# SPDX-License-Identifier: MIT
"""Stage 2: the TRACE file, written and read."""
