# SPDX-License-Identifier: MIT
"""Patterns, folding: properties."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from renacer_otel.analysis.golden import canonical, patterns
from renacer_otel.analysis.golden.canonical import folded
from renacer_otel.analysis.golden.texts import Words, cut, random_names
from tests.golden.made_runs import Call, Thread, made

_words = st.text(st.sampled_from("ab/.1290<>"), max_size=12)


@given(_words, _words)
@example("/tmp/a12.log", "/tmp/a7.log")
@example("<number>", "1")
@example("a1b", "a2b3")
def test_a_joined_pattern_fits_both(first: str, second: str) -> None:
    pattern = patterns.joined(first, second)
    assert patterns.fits(pattern, first)
    assert patterns.fits(pattern, second)


@given(_words, _words, _words)
def test_more_can_be_joined(first: str, second: str, third: str) -> None:
    pattern = patterns.joined(patterns.joined(first, second), third)
    for one in (first, second, third):
        assert patterns.fits(pattern, one)


@given(_words, _words)
def test_what_is_no_pattern_fits_itself_alone(first: str, second: str) -> None:
    if not patterns.is_pattern(first):
        assert patterns.fits(first, second) == (first == second)


def test_numbers_stay_numbers() -> None:
    assert patterns.joined("/x/job-12.log", "/x/job-7.log") == "/x/job-<number>.log"
    assert not patterns.fits("/x/job-<number>.log", "/x/job-a.log")
    assert patterns.joined("/x/ab.log", "/x/cd.log") == "/x/<any>.log"


def test_a_hostile_pattern_takes_little_time() -> None:
    assert not patterns.fits("<any>a" * 300 + "b", "a" * 4000)


@given(st.lists(st.integers(0, 3), max_size=60))
def test_folding_loses_nothing(items: list[int]) -> None:
    flat = [item for group, times in folded(items) for item in group * times]
    assert flat == items


@given(st.lists(st.integers(0, 3), min_size=1, max_size=5), st.integers(2, 9), st.integers(2, 9))
def test_how_often_a_group_comes_again_does_not_matter(
    group: list[int], first: int, second: int
) -> None:
    one, other = folded(group * first), folded(group * second)
    assert [items for items, _ in one] == [items for items, _ in other]


def test_random_names_are_found_by_how_they_were_made() -> None:
    names = random_names([
        "/tmp/tmpab12_xyz", "/tmp/sortQ7zK2p", "/tmp/tmp.Ab3dE6gH9j", "/home/a/sedAbCdEf",
        "/x/abcdef", "/tmp/cc12AbQz.s", "/tmp/pymp-8_ol_xn8", "/tmp/s8k529k_",
    ])  # fmt: skip
    assert set(names.values()) == {
        "tmp<random>", "<random>", "tmp.<random>", "sed<random>", "<random>.s", "pymp-<random>",
    }  # fmt: skip
    words = Words((), names)
    assert words('rm "/tmp/sortQ7zK2p"') == 'rm "/tmp/<random>"'
    assert words.counts["random-names"] == 1


def test_a_socket_in_a_folder_with_a_random_name_has_one_too() -> None:
    def bound(folder: str, socket: str, mode: str = "0700") -> tuple[str, ...]:
        name = f"{folder}/{socket}"
        calls = [
            Call("mkdir", f"\x01\x1f{mode}", folder),
            Call("bind", f'\x03\x1f{{sa_family=AF_UNIX, sun_path="{name}"}}\x1f39'),
            Call("unlink", "\x01", name),
        ]
        run = canonical.of_replay(made([Thread(0, calls)], (), 1000, 4096))
        return tuple(str(part.item) for part in run.roles[0].items)

    one = bound("/tmp/pymp-tbo90_d5", "listener-vmyvsls9")
    assert "unlink(/tmp/pymp-<random>/listener-<random>)" in one
    assert one == bound("/tmp/pymp-u0d7b0vt", "listener-e5z_lg9n")
    # Where its folder is anybody's, its name is a chosen one.
    public = "/run/daemon-main_one", "control-internal", "0755"
    assert "unlink(/run/daemon-main_one/control-internal)" in bound(*public)


def test_placeholders() -> None:
    words = Words((), {})
    assert words("{sa_handler=0x55cf0918edc0, sa_mask=[]}") == "{sa_handler=<addr>, sa_mask=[]}"
    assert words("{tv_sec=1, tv_nsec=500}") == "{tv_sec=<time>, tv_nsec=<time>}"
    assert words("\x0512") == "<process>"
    assert words("\x05-1") == "-1"
    given = "[{tv_sec=1, tv_nsec=0} /* 1970-01-01T00:00:01+0000 */, {tv_sec=2, tv_nsec=5}"
    assert words(given + " /* 1970-01-01T00:00:02.000000005+0000 */]") == (
        "[{tv_sec=<time>, tv_nsec=<time>} /* 1970-01-01T00:00:01+0000 */,"
        " {tv_sec=<time>, tv_nsec=<time>}]"
    )
    assert words(".git/objects/3e") == ".git/objects/<random>"
    assert words(f".git/objects/3e/{'a1' * 19}") == ".git/objects/<random>/<random>"
    assert words("/proc/123/maps") == "/proc/<process>/maps"
    assert words("pipe:[123]") == "<pipe:>"
    assert words("127.0.0.1:40000") == "127.0.0.1:40000"
    told = Words((), {}, None, {"40000"})
    assert told("127.0.0.1:40000") == "127.0.0.1:<port>"
    assert told("http://localhost:40000/a:40001") == "http://localhost:<port>/a:40001"
    assert told("{sin_port=htons(40000), x=40000}") == "{sin_port=htons(<port>), x=40000}"
    assert told("[::1]:400001") == "[::1]:400001"
    assert told.counts["ports"] == 3
    assert words("/x/6ba7b810-9dad-11d1-80b4-00c04fd430c8.d") == "/x/<random>.d"
    assert words("ab") == "ab"
    left = "{tv_sec=1, tv_nsec=500}, {tv_sec=2, tv_usec=20000}"
    assert words(left, chosen=True) == (
        "{tv_sec=<time>, tv_nsec=<time>}, {tv_sec=2, tv_usec=20000}"
    )
    kept = Words(["addresses", "times", "identities"], {})
    assert kept("0x55cf0918edc0 tv_sec=1 \x0512") == "0x55cf0918edc0 tv_sec=1 12"


def test_what_is_too_long_is_told_by_a_hash() -> None:
    assert cut("a" * 4000) == "a" * 4000
    one, other = cut("a" * 5000), cut("a" * 4999 + "b")
    assert one != other
    assert one == cut("a" * 5000)
    assert one.startswith("a" * 4000 + "… (and 1000 characters more: ")
    assert Words((), {})(one) == one
    assert len(cut("\ud800" * 5000)) < 4096
