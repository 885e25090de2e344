# SPDX-License-Identifier: MIT
"""From records to spans: contexts, resources."""
