# SPDX-License-Identifier: MIT
"""Whether two programs leave the same behind: state is compared, not calls."""
