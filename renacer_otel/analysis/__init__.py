# SPDX-License-Identifier: MIT
"""What can be said of a trace."""
