# SPDX-License-Identifier: MIT
"""Golden traces: what a command did, in a form that stays the same while its behaviour does."""
