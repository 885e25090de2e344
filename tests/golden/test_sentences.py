# SPDX-License-Identifier: MIT
"""What differences are told of roles that were made up."""

from __future__ import annotations

from renacer_otel.analysis.golden import differences, sentences
from renacer_otel.analysis.golden.model import (
    Argument,
    Canonical,
    Difference,
    Figures,
    Golden,
    Item,
    Range,
    Rank,
    Role,
)

_NONE = Range(0, 0)


def _role(name: str, parent: str, argv: list[str], threads: Range) -> Role:
    return Role(
        name, "cc", tuple(Argument("text", word) for word in argv), parent, Range(1, 1), threads,
        ("0",), (), (), (), (), (), exact=False,
    )  # fmt: skip


def _form(*lines: list[str], threads: Range = _NONE) -> Canonical:
    roles = [_role("p0", "", ["make"], _NONE)]
    roles += [_role(f"p{at}", "p0", line, threads) for at, line in enumerate(lines, 1)]
    return Canonical(tuple(roles), (), Figures(), {})


def _between(known: Canonical, run: Canonical) -> list[Difference]:
    return differences.between(Golden("x", ("make",), 5, "", known), [run])


def test_of_a_long_command_line_what_is_another_is_told_first() -> None:
    before = ["cc", *(f"-I/usr/include/part{number}" for number in range(20)), "-O1", "a.c"]
    after = [*before[:-2], "-O2", "-g", "a.c"]
    (found,) = _between(_form(before), _form(after))
    assert found.kind == "argv"
    assert found.sentence.startswith("p1 (cc) is now run with -O2 -g instead of -O1: cc -I/usr")
    assert found.expected.endswith("-O1 a.c")
    (found,) = _between(_form(after), _form([*before[:-2], "a.c"]))
    assert found.sentence.startswith("p1 (cc) is now run without -O2 -g: cc -I/usr")
    (found,) = _between(_form(before), _form([*before, "b.c"]))
    assert found.sentence.startswith("p1 (cc) is now run with b.c: cc -I/usr")


def test_a_short_command_line_is_told_whole() -> None:
    (found,) = _between(_form(["cc", "a.c"]), _form(["cc", "b.c"]))
    assert found.sentence == "p1 is now run as: cc b.c (instead of: cc a.c)"


def test_twice_the_threads_are_found_where_their_number_was_always_the_same() -> None:
    same, varying = Range(4, 4), Range(3, 4)
    (found,) = _between(_form(["cc"], threads=same), _form(["cc"], threads=Range(8, 8)))
    assert found.sentence == "p1 (cc) now has 8 threads beside its first instead of 4"
    assert not _between(_form(["cc"], threads=same), _form(["cc"], threads=Range(7, 7)))
    assert not _between(_form(["cc"], threads=varying), _form(["cc"], threads=Range(8, 8)))


def test_a_process_is_held_against_the_one_that_is_most_like_it() -> None:
    known = _form(["cc", "-c", "a.c"], ["cc", "-o", "all", "a.o", "b.o"])
    run = _form(["cc", "-c", "a.c"], ["cc", "-c", "c.c"], ["cc", "-o", "all", "a.o", "b.o", "c.o"])
    assert [one.sentence for one in _between(known, run)] == [
        "p2 is now run as: cc -o all a.o b.o c.o (instead of: cc -o all a.o b.o)",
        "p0 (cc) now also runs cc -c c.c",
    ]


def test_words_that_are_new_are_told_before_those_that_have_moved() -> None:
    names = [f"folder/of/many/names/{number}" for number in range(24)]
    known = _form(["grep", *names[:12]], ["grep", *names[12:]])
    names.insert(14, "folder/new")
    run = _form(["grep", *names[1:13]], ["grep", *names[13:], names[0]])
    first, second = _between(known, run)
    assert first.sentence.startswith("p2 (cc) is now run with folder/new: grep folder/of/many")
    assert second.sentence.startswith("p1 (cc) is now run with folder/of/many/names/12 instead of")


def test_addresses_are_told_as_people_write_them() -> None:
    told = {
        '{sa_family=AF_INET, sin_port=htons(80), sin_addr=inet_addr("127.0.0.1")}': "127.0.0.1:80",
        "{sa_family=AF_INET6, sin6_port=htons(<port>), sin6_flowinfo=htonl(0), "
        'inet_pton(AF_INET6, "::1", &sin6_addr), sin6_scope_id=0}': "[::1]:<port>",
        '{sa_family=AF_UNIX, sun_path="/run/x"}': '"/run/x"',
        '{sa_family=AF_UNIX, sun_path=@"x"}': '@"x"',
        "{sa_family=AF_NETLINK, nl_pid=0, nl_groups=0}": (
            "{sa_family=AF_NETLINK, nl_pid=0, nl_groups=0}"
        ),
    }
    for text, expected in told.items():
        item = Item("connect", (Argument("object", "<socket>"), Argument("text", text)), "ok",
                    Rank.EFFECT)  # fmt: skip
        assert sentences.says(item) == f"connects to {expected}"
