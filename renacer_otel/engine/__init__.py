# SPDX-License-Identifier: MIT
"""Stage 1: the engines that trace, and the loader of the native core."""
