# SPDX-License-Identifier: MIT
"""One output each, for people."""
