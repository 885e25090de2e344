# SPDX-License-Identifier: MIT
"""Finished blocks to where they go."""
