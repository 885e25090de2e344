# SPDX-License-Identifier: MIT
"""What a trace must be like: the assertions of renacer.toml, and the anti-patterns."""
