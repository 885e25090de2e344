# SPDX-License-Identifier: MIT
"""Loads the native core: ``native.ffi`` and ``native.lib``, on first use.

The C declarations come precompiled (cffi's out-of-line ABI mode), so that loading takes a few
milliseconds. ``from renacer_otel.engine import native`` never fails; the first look at
``native.ffi`` or ``native.lib`` raises :class:`NativeCoreMissing` where the core cannot serve.
"""

from __future__ import annotations

import importlib
import os
from typing import TYPE_CHECKING, Any

from renacer_otel.errors import CoreUnavailable, one_line

if TYPE_CHECKING:
    from collections.abc import Iterable

    # Structures and functions come from the C headers: no stub knows their members.
    ffi: Any
    lib: Any

LIBRARY = "librenacer.so"
DISABLE = "RENACER_DISABLE"  # for tests: "core", and names of launch.FALLBACKS
_REBUILD = "reinstall renacer-otel for this machine (pip install --force-reinstall renacer-otel)"


class NativeCoreMissing(CoreUnavailable):
    """The core is absent, cannot be loaded, or is of another API version than this package."""


def load() -> tuple[Any, Any]:
    """Returns cffi's ``ffi`` and the loaded library, the same objects each time.

    Raises :class:`NativeCoreMissing` (exit code 125) with what to do about it.
    """
    if "lib" not in globals():
        globals()["ffi"], globals()["lib"] = _load()
    return globals()["ffi"], globals()["lib"]


def feed(take: Any, to: Any, chunks: Iterable[bytes]) -> None:
    """Gives whole records, in order, to a function of the core: take(to, data, size).

    Raises ValueError for what is no record.
    """
    ffi, _ = load()
    for chunk in chunks:
        size = len(chunk)
        # Aligned for words, which a buffer of bytes need not be.
        data = ffi.new("uint64_t[]", size // 8 + 1)
        ffi.memmove(data, chunk, size)
        if take(to, data, size) != size:
            raise ValueError("not a record")


def _load() -> tuple[Any, Any]:
    if "core" in os.environ.get(DISABLE, "").split(","):
        raise NativeCoreMissing(f"the native core is switched off by {DISABLE}: unset it")
    try:
        api = importlib.import_module("renacer_otel._native._api")
    except ImportError as error:
        raise NativeCoreMissing(
            f"the native core was not built ({one_line(str(error))}): {_REBUILD}, "
            "or run `pip install -e .` in a source tree"
        ) from error
    folder = os.path.dirname(os.path.abspath(api.__file__ or ""))
    path = os.path.join(folder, LIBRARY)
    try:
        # For good: what is freed when Python ends may come after its last mention.
        library = api.ffi.dlopen(path, os.RTLD_NOW | os.RTLD_NODELETE)
        version = int(library.rn_api_version())
        wanted = int(library.RN_API_VERSION)
    except (OSError, AttributeError) as error:
        raise NativeCoreMissing(
            f"the native core cannot be loaded ({one_line(str(error))}): {_REBUILD}"
        ) from error
    if version != wanted:
        raise NativeCoreMissing(
            f"the native core {one_line(path)} has API version {version}, this package needs "
            f"{wanted}: {_REBUILD}"
        )
    return api.ffi, library


def __getattr__(name: str) -> Any:
    if name in ("ffi", "lib"):
        load()
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
