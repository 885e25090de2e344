# SPDX-License-Identifier: MIT
"""Shares the tools of the engine's tests."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("tests.engine.tools", "tests.context.spans")
