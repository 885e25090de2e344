# SPDX-License-Identifier: MIT
"""Happens-before over a TRACE file: its graph, its longest path, and proofs."""
