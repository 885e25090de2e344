# SPDX-License-Identifier: MIT
"""The process that joins the stages: one run from start to last span."""
