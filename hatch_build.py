# SPDX-License-Identifier: MIT
"""Hatchling's build hook: compiles the core and puts it into the wheel.

The work is done in ``native/build/corebuild.py``; what is not hatchling's is not here.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.config import BuilderConfig
from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent / "native" / "build"))
import corebuild


class NativeBuildHook(BuildHookInterface[BuilderConfig]):
    """Builds ``renacer_otel/_native/`` (in place, or for ``RENACER_BUILD_TARGET`` beside it)."""

    PLUGIN_NAME = "native"

    def dependencies(self) -> list[str]:
        """Called for get_requires_for_build_*: ``ziglang``, only where nothing else compiles."""
        return corebuild.requirements(self._target())

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002
        """Compiles, unless nothing changed, and names what goes into the wheel."""
        root, target = Path(self.root), self._target()
        output = root / corebuild.PACKAGE
        if target is not None:
            output = root / "build" / "native" / target
        tag = corebuild.wheel_tag(target)
        corebuild.build(root, output, target)
        build_data["pure_python"] = False
        build_data["tag"] = tag
        for name in (corebuild.LIBRARY, corebuild.API_MODULE):
            build_data["force_include"][str(output / name)] = str(corebuild.PACKAGE / name)

    @staticmethod
    def _target() -> str | None:
        return os.environ.get("RENACER_BUILD_TARGET") or None
