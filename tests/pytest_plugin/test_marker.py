# SPDX-License-Identifier: MIT
"""The marker: bounds of commands, bounds of a test itself, and what is wrong with a marker."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from renacer_otel.testing import bounds

Over = Callable[..., pytest.RunResult]

COMMANDS = """
@pytest.mark.renacer(max_syscalls=2)
def test_calls(syscall_trace):
    syscall_trace(["true"])
    print("not reached")

@pytest.mark.renacer(max_syscalls=100_000, max_duration_ms=600_000, no_network=True,
                     writes_only=["{tmp_path}/in/**", "here", "**/*.log"])
class TestWithin:
    def test_within(self, syscall_trace, tmp_path):
        work = "mkdir in; echo > in/a; echo > here; echo > deep.log; echo > /dev/null"
        syscall_trace(["sh", "-c", work], cwd=tmp_path, check=True)
        os.mkdir("of-the-test-itself")  # no command's

    @pytest.mark.renacer(writes_only=[])
    def test_nearest_counts(self, syscall_trace, tmp_path):
        syscall_trace(["sh", "-c", "echo > here"], cwd=tmp_path)

@pytest.mark.renacer(max_duration_ms=1)
def test_time(syscall_trace):
    syscall_trace(["sleep", "0.05"])

@pytest.mark.renacer(no_network=True)
def test_network(syscall_trace):
    work = "import socket; socket.socket(type=socket.SOCK_DGRAM).connect(('127.0.0.1', 9))"
    syscall_trace([sys.executable, "-c", work], check=True)
"""


def test_commands(over: Over) -> None:
    done = over(COMMANDS)
    done.assert_outcomes(passed=1, failed=4)
    out = done.stdout
    out.fnmatch_lines(["*true: max_syscalls=2: * system calls (*mmap*)"])
    out.no_fnmatch_line("*not reached*")
    out.fnmatch_lines(["*writes_only=nothing: wrote */here"])
    out.fnmatch_lines(["*sleep 0.05: max_duration_ms=1: it took * ms, without what tracing added"])
    out.fnmatch_lines(["*no_network: talked to 127.0.0.1:9"])
    out.no_fnmatch_line("*INTERNALERROR*")


ITSELF = """
@pytest.fixture
def before():
    open("by-the-fixture", "w").close()
    yield
    open("by-the-teardown", "w").close()

def another_thread():
    for _ in range(10_000_000):
        if stopped.wait(0.0001): break

stopped = threading.Event()

@pytest.mark.renacer(max_syscalls=200_000, writes_only=["allowed/**"], no_network=True)
def test_within(before):
    assert open("/proc/self/status").read().split("TracerPid:")[1].split()[0] != "0"
    os.mkdir("allowed")
    subprocess.run(["touch", "allowed/file"], check=True)
    left.append(subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE))

left = []

def test_let_go():
    for pid in ("self", left[0].pid):
        status = open(f"/proc/{pid}/status").read()
        assert status.split("TracerPid:")[1].split()[0] == "0"
    assert left[0].communicate(b"runs on") == (b"runs on", None)

@pytest.mark.renacer(writes_only=["{tmp_path}/**"], no_network=True)
def test_writes(tmp_path):
    (tmp_path / "allowed").touch()
    open("own", "w").close()
    thread = threading.Thread(target=lambda: open("of-a-thread", "w").close())
    thread.start()
    thread.join()
    subprocess.run(["sh", "-c", "echo > of-a-child & wait"], check=True)
    with socket.create_server(("127.0.0.1", 0)) as server:
        socket.create_connection(server.getsockname()).close()

@pytest.mark.renacer(max_syscalls=40)
def test_only_its_own_thread_counts():
    for _ in range(50):
        os.stat("/")

@pytest.mark.renacer(max_syscalls=40)
class TestMore:
    @pytest.fixture(autouse=True)
    def thread(self):
        made = threading.Thread(target=another_thread)
        made.start()
        yield
        stopped.set()
        made.join()

    def test_others_do_not_count(self):
        os.stat("/")

@pytest.mark.renacer(max_syscalls=0)
def test_that_fails_fails_by_itself():
    os.stat("/")
    assert 1 == 2

@pytest.mark.renacer(max_syscalls=0)
def test_that_skips_skips():
    pytest.skip("for a reason of its own")

@pytest.mark.renacer(max_duration_ms=1)
def test_time():
    time.sleep(0.05)
"""


def test_the_test_itself(over: Over) -> None:
    done = over(ITSELF, "-rs")
    done.assert_outcomes(passed=3, failed=4, skipped=1)
    out = done.stdout
    out.fnmatch_lines(["*the test: no_network: talked to 127.0.0.1:*"])
    out.fnmatch_lines(
        ["*the test: writes_only={tmp_path}/*: wrote */of-a-child, */of-a-thread, */own"]
    )
    out.fnmatch_lines(["*the test: max_syscalls=40: * system calls (*5? *stat*)"])
    out.fnmatch_lines(["*assert 1 == 2*"])
    out.no_fnmatch_line("*max_syscalls=0*system calls*")
    out.fnmatch_lines(["*the test: max_duration_ms=1: it took * ms*"])
    out.fnmatch_lines(["*for a reason of its own*"])


OTHER_PLUGINS = """
@pytest.mark.timeout(1, method="signal")
@pytest.mark.renacer(max_syscalls=0)
def test_that_hangs():
    threading.Event().wait()

class TestCase(__import__("unittest").TestCase):
    @pytest.mark.renacer(writes_only=[])
    def test_writes(self):
        open("by-unittest", "w").close()

@pytest.mark.parametrize("number", range(2))
@pytest.mark.renacer(writes_only=["only/**"])
def test_many(number):
    sys.settrace(lambda *_: None)
    sys.settrace(None)
    open(f"number-{number}", "w").close()
"""


def test_beside_timeouts_unittest_and_xdist(over: Over) -> None:
    done = over(OTHER_PLUGINS, "-n", "2")
    done.assert_outcomes(failed=4)
    out = done.stdout
    out.fnmatch_lines(["*Timeout*1*"])
    out.no_fnmatch_line("*max_syscalls=0*system calls*")
    for name in ("by-unittest", "number-0", "number-1"):
        out.fnmatch_lines([f"*the test: writes_only=*: wrote */{name}"])


WRONG = """
@pytest.mark.renacer(max_syscals=1)
def test_name(): print("reached")

@pytest.mark.renacer(10)
def test_position(): print("reached")

@pytest.mark.renacer(writes_only="out")
def test_type(): print("reached")

@pytest.mark.renacer(max_syscalls=1)
def test_golden(golden_trace): print("reached")

def test_no_command(golden_trace):
    with pytest.raises(FileNotFoundError):
        golden_trace("absent", ["./no-such-command"])
"""


def test_wrong_markers(over: Over) -> None:
    done = over(WRONG, "--strict-markers", "--golden-update")
    done.assert_outcomes(errors=4, passed=1)
    done.stdout.fnmatch_lines(
        [
            "*renacer: unknown argument 'max_syscals'; did you mean max_syscalls?",
            "*renacer: 10 needs its name, one of max_syscalls, *",
            "*renacer: writes_only = 'out': must be a list of patterns of paths*",
            "*renacer: commands of golden_trace have no bounds but their golden traces*",
        ]
    )
    done.stdout.no_fnmatch_line("*reached*")
    done.stdout.no_fnmatch_line("*Traceback*")


@pytest.mark.parametrize(
    "values",
    [
        {"max_syscalls": -1},
        {"max_syscalls": 1.5},
        {"max_syscalls": True},
        {"max_duration_ms": 0},
        {"max_duration_ms": float("nan")},
        {"max_duration_ms": "5"},
        {"no_network": 1},
        {"writes_only": [1]},
    ],
)
def test_wrong_values(values: dict[str, object]) -> None:
    with pytest.raises(bounds.MarkerError, match=f"renacer: {next(iter(values))} = "):
        bounds.of_markers([((), values)])


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("out", ["/w/out"], ["/w/out/a", "/out", "/w/outer"]),
        ("out/*", ["/w/out/a"], ["/w/out/a/b", "/w/out"]),
        ("out/**", ["/w/out", "/w/out/a/b"], ["/w/output"]),
        ("*.log", ["/w/a.log", "/w/.log"], ["/w/a/b.log", "/a.log", "/w/alog"]),
        ("**/*.log", ["/a.log", "/w/a/b.log"], ["/w/a.log/b"]),
        ("/tmp/**/x", ["/tmp/x", "/tmp/a/b/x"], ["/tmp/ax"]),
        ("a[0-9]?", ["/w/a1x"], ["/w/ab1", "/w/a1/"]),
        ("a[!0-9&[]", ["/w/ab"], ["/w/a1", "/w/a[", "/w/a&"]),
        ("a[]", ["/w/a[]"], ["/w/a"]),
        ("{tmp_path}/**", ["/t[1]/x"], ["/t1/x"]),
    ],
)
def test_patterns(pattern: str, fits: list[str], does_not: list[str]) -> None:
    match = bounds._matcher(pattern, "/w", "/t[1]")
    assert [path for path in fits if not match(path)] == []
    assert [path for path in does_not if match(path)] == []


def test_wrong_patterns() -> None:
    with pytest.raises(bounds.MarkerError, match="for tests that ask for tmp_path"):
        bounds._matcher("{tmp_path}/x", "/", None)
    with pytest.raises(bounds.MarkerError, match="is no pattern"):
        bounds._matcher("[z-a]", "/", None)


@pytest.mark.parametrize(
    ("pattern", "fits", "does_not"),
    [
        ("./out/**", ["out/a"], ["other/a"]),
        ("out/../other/*", ["other/a"], ["out/a"]),
        ("link/**", ["real/a", "link/a"], ["out/a"]),
        ("link", ["real", "link"], ["real/a"]),
        ("link/../a*", ["ab"], ["link/ab"]),
        ("{tmp_path}/link/x[12]", ["real/x1"], ["real/x3"]),
        ("[l]ink/a[*]", ["real/a*"], ["real/ab"]),
    ],
)
def test_patterns_of_paths(
    tmp_path: Path, pattern: str, fits: list[str], does_not: list[str]
) -> None:
    """What they begin with is a path: dots and links count as what they lead to."""
    for name in ("out", "other", "real"):
        (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to("real")
    match = bounds._matcher(pattern, str(tmp_path), str(tmp_path))
    assert [path for path in fits if not match(str(tmp_path / path))] == []
    assert [path for path in does_not if match(str(tmp_path / path))] == []


def test_no_dots_behind_names_that_are_not_known() -> None:
    with pytest.raises(bounds.MarkerError, match=r"has \. or \.\. behind"):
        bounds._matcher("*/../x", "/", None)


BEFORE = """
import tempfile

@pytest.fixture
def held(tmp_path):
    with open(tmp_path / "of-the-fixture", "w+") as file:
        file.write("x" * 4096)
        file.flush()
        folder = os.open(tmp_path, os.O_RDONLY)
        yield file, folder
        os.close(folder)

@pytest.mark.renacer(writes_only=[])
def test_written_to(held):
    held[0].write("more")
    held[0].flush()

@pytest.mark.renacer(writes_only=[])
def test_by_a_child(held):
    subprocess.run(["echo"], stdout=held[0], check=True)

@pytest.mark.renacer(writes_only=[])
def test_mapped(held):
    import mmap
    with mmap.mmap(held[0].fileno(), 0) as there:
        there[0:1] = b"y"

@pytest.mark.renacer(writes_only=["of-the-fixture", "from-a-folder"])
def test_from_a_folder(held, monkeypatch, tmp_path):
    os.close(os.open("from-a-folder", os.O_CREAT | os.O_WRONLY, dir_fd=held[1]))

@pytest.mark.renacer(writes_only=["there/**"])
def test_bound(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as other:
        one.bind("a-socket")
        other.bind("\\0no-file")

@pytest.mark.renacer(writes_only=[])
def test_of_no_consequence(held):
    held[0].read()
    with tempfile.TemporaryFile(dir="/tmp") as file:
        file.write(b"text")
        file.flush()
    print("told")
    os.system("echo told; echo told >&2")

@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()

@pytest.mark.renacer(writes_only=["{tmp_path}/x"])
def test_in_a_removed_folder(nowhere, tmp_path):
    (tmp_path / "x").touch()
"""


def test_what_was_open_before(over: Over) -> None:
    done = over(BEFORE)
    done.assert_outcomes(passed=2, failed=5)
    told = [line for line in done.stdout.lines if line.startswith("the test: writes_only")]
    assert [line.rpartition("/")[2] for line in told] == [
        *["of-the-fixture"] * 3,
        "from-a-folder",
        "a-socket",
    ], told
    done.stdout.no_fnmatch_line("*INTERNALERROR*")
