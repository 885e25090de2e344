# SPDX-License-Identifier: MIT
"""`renacer-otel spool`: what runs with --spool have left to be sent.

usage: renacer-otel spool list DIR
       renacer-otel spool send DIR [--timeout TIME] [--refused] [OPTION...]

  list     what waits in DIR, and what is set aside there
  send     send what waits; options and variables of the endpoint as for run

`send` ends once all is sent, at the latest after --timeout (60s). Exit code 0 if nothing is left,
else 125. --refused: what a collector has refused for good is tried again, too.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from renacer_otel import config as values
from renacer_otel.cli import asked, options, spooling, terminal
from renacer_otel.errors import EXIT_OWN_FAILURE, SpoolError, UsageError, did_you_mean, one_line
from renacer_otel.sidecar.summary import plural

if TYPE_CHECKING:
    from collections.abc import Sequence

    from renacer_otel.exporters.spool_folder import SpoolFolder

_COMMANDS = ("list", "send")


def main(arguments: Sequence[str]) -> int:
    """Parses, calls; returns the exit code."""
    words = list(arguments)
    if not words or words[0] in ("-h", "--help"):
        terminal.show(__doc__ or "")
        return 0
    name = words.pop(0)
    if name not in _COMMANDS:
        hint = did_you_mean(name, _COMMANDS) or "; see renacer-otel spool --help"
        raise UsageError(f"spool: there is no '{one_line(name, 40)}'{hint}")
    return _list(words) if name == "list" else _send(words)


# --- list -------------------------------------------------------------------------------------


def _list(words: list[str]) -> int:
    parser = options.parser_of("spool list", "DIR", "What waits in a spool.")
    parser.add_argument("folder", metavar="DIR")
    given = parser.parse_args(words)
    from renacer_otel.exporters.spool_folder import DAMAGED, SpoolFolder
    from renacer_otel.exporters.spool_look import Look

    folder = SpoolFolder(given.folder, use=False)
    try:
        look = Look(folder)
        terminal.show(
            f"{plural(look.spans, 'span')} in {plural(look.requests, 'request')},"
            f" {look.bytes:,} bytes in {plural(look.segments, 'segment')}\n"
        )
        if look.oldest:
            terminal.show(f"the oldest is of {look.oldest}\n")
        if look.bad:
            terminal.show(f"{plural(look.bad, 'damaged stretch')[:-1]}es\n" if look.bad > 1
                          else "1 damaged stretch\n")  # fmt: skip
        if look.refused:
            terminal.show(f"refused for good: {plural(look.refused, 'span')}\n")
        if look.damaged:
            terminal.show(f"{DAMAGED}/: {plural(look.damaged, 'file')}\n")
        if holder := folder.holder():
            terminal.show(f"in use by {holder}\n")
    finally:
        folder.close()
    return 0


# --- send -------------------------------------------------------------------------------------


def _send(words: list[str]) -> int:
    parser = options.parser_of(
        "spool send", "DIR [OPTION...]", "Sends what waits in a spool to the collector."
    )
    parser.add_argument("folder", metavar="DIR")
    parser.add_argument("--otlp-endpoint", metavar="URL", help="send there: http://host:4317")
    options.endpoint_options(parser.add_argument)
    parser.add_argument("--timeout", metavar="TIME", default="60s",
        help="the longest that it may take (60s)")  # fmt: skip
    parser.add_argument("--refused", action="store_true",
        help="what was refused for good is sent again, too")  # fmt: skip
    parser.set_defaults(spool=None, status_file=None, metrics=False, exporter=None)
    given = parser.parse_args(words)
    seconds = values.parse_duration(given.timeout, "--timeout")
    settings, warnings = asked.otlp_of(given, os.environ)
    for warning in warnings:
        terminal.complain(f"warning: {warning}")
    if settings is None:
        raise UsageError("spool send: no endpoint; add --otlp-endpoint URL")
    if not os.path.lexists(given.folder):
        raise SpoolError(f"spool {one_line(given.folder, 120)}: there is no such folder")
    folder = spooling.opened(given.folder)
    try:
        if given.refused:
            _readmit(folder)
        from renacer_otel.exporters.ledger import Ledger
        from renacer_otel.exporters.senders import make_sender, make_spooled

        ledger = Ledger()
        sender = make_spooled(
            make_sender(settings, {}),
            settings,
            ledger,
            folder,
            values.parse_size("1GiB"),
            "drop-newest",
            terminal.complain,
        )
        sender.open()
        counters = sender.close(seconds)
    finally:
        folder.close()
    books = ledger.books()
    for reason, spans in sorted(books.dropped.items()):
        terminal.complain(f"{plural(spans, 'span')} dropped: {reason}")
    left = f", {books.spooled:,} left in it" if books.spooled else ""
    why = f": {counters.last_error}" if counters.last_error and (left or books.dropped) else ""
    terminal.complain(f"{settings.endpoint}: {plural(books.exported, 'span')} sent{left}{why}")
    return EXIT_OWN_FAILURE if left or sender.is_left else 0


def _readmit(folder: SpoolFolder) -> None:
    try:
        folder.readmit()
    except OSError as error:
        raise SpoolError(f"spool {folder.shown}: {error.strerror}") from error
