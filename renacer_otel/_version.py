# SPDX-License-Identifier: MIT
"""The version, in one place: read by the build, the command line and the spans' scope."""

__version__ = "0.1.0"
