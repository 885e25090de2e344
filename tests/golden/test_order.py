# SPDX-License-Identifier: MIT
"""Where the order of effects is a program's own choice, another one is found; else that is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from renacer_otel.analysis.golden import differences, learning
from tests.compiling import compiled
from tests.golden.runs import traced

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.needs("cc")

PROGRAM = r"""
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static int gate[2];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t woken = PTHREAD_COND_INITIALIZER;
static int ready;

static void *quiet(void *unused)
{
	char one;

	return read(gate[0], &one, 1) == 1 ? unused : NULL;
}

static void *waking(void *unused)
{
	pthread_mutex_lock(&mutex);
	ready = 1;
	pthread_cond_signal(&woken);
	pthread_mutex_unlock(&mutex);
	return unused;
}

static void handler(int number)
{
	(void)number;
}

int main(int argc, char **argv)
{
	struct pollfd fds = {.events = POLLOUT};
	const char *how = argv[1];
	int first = open("first", O_WRONLY | O_CREAT, 0644);
	int second = open("second", O_WRONLY | O_CREAT, 0644);
	pthread_t thread;

	if (pipe(gate))
		return 1;
	fds.fd = gate[1];
	if (strcmp(how, "thread") == 0)
		pthread_create(&thread, NULL, quiet, NULL);
	if (strcmp(how, "woken") == 0) {
		pthread_mutex_lock(&mutex);
		pthread_create(&thread, NULL, waking, NULL);
		while (!ready)
			pthread_cond_wait(&woken, &mutex);
		pthread_mutex_unlock(&mutex);
	}
	if (strcmp(how, "signal") == 0) {
		signal(SIGUSR1, handler);
		raise(SIGUSR1);
	}
	if (strcmp(how, "one poll") == 0 || strcmp(how, "polls") == 0)
		poll(&fds, 1, -1);
	if (strcmp(how, "polls") == 0)
		poll(&fds, 1, -1);
	for (int i = 0; i < 2; i++)
		if (write((argc > 2) ^ i ? second : first, "x", 1) != 1)
			return 1;
	if (write(gate[1], "x", 1) != 1)
		return 1;
	if (strcmp(how, "thread") == 0 || strcmp(how, "woken") == 0)
		pthread_join(thread, NULL);
	return 0;
}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("order")
    source = folder / "program.c"
    source.write_text(PROGRAM)
    return compiled(folder / "program", source)


@pytest.mark.parametrize("how", ["", "thread", "one poll"])
def test_another_order_is_found(program: Path, how: str) -> None:
    folder = program.parent
    was, now = (
        traced([program, how, *more], folder, cwd=folder) for more in ((), ("otherwise",))
    )  # fmt: skip
    assert not was.missing
    found = differences.between(learning.learn([was]), [now])
    assert found[0].sentence.startswith("now writes to second before write(first)"), found
    assert differences.changed(found)


@pytest.mark.parametrize(
    ("how", "why"),
    [
        ("woken", "has several threads"),
        ("polls", "waits in rounds"),
        ("signal", "handles signals"),
    ],
)
def test_where_it_is_chance_that_is_told(program: Path, how: str, why: str) -> None:
    form = traced([program, how], program.parent, cwd=program.parent)
    before = "the order of effects was compared on each path and peer only, not as a whole, in"
    assert form.missing == (f"{before} p0 (program), which {why}",)
    assert not form.roles[0].order
