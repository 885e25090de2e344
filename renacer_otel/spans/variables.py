# SPDX-License-Identifier: MIT
"""What a command's environment holds, so that it can be asked for one value but not be read."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


def key(name: str, value: str) -> str:
    """NAME and twelve bits of a hash: enough to ask whether a value is there, for no secret."""
    told = f"{name}={value}".encode("utf-8", "surrogateescape")
    return f"{name}:{hashlib.sha256(told).hexdigest()[:3]}"


def home(environ: Iterable[str]) -> str:
    """The folder that HOME names in NAME=VALUE entries; "" where it is none, or the root."""
    told = (entry.partition("=") for entry in environ)
    path = next((value for name, _, value in told if name == "HOME"), "")
    clean = os.path.normpath(path).lstrip("/") if path.startswith("/") else ""
    return f"/{clean}" if clean else ""
