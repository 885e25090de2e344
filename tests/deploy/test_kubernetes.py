# SPDX-License-Identifier: MIT
"""The manifest's claims, tried: its capabilities and no other, its seccomp profile, a root that
cannot be written to. By Kubernetes' schemas `./dev check` looks at it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from renacer_otel.exporters.receiver import Receiver
from tests.cli.tool import PATIENCE, RENACER
from tests.deploy import filtered
from tests.sidecar.serving import sidecar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.sidecar.serving import Sidecar

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
if not DEPLOY.is_dir():
    pytest.skip("needs the source tree", allow_module_level=True)
PROFILE = DEPLOY / "seccomp.json"
PROGRAM_UID = 1000
# Whose use says that a container is being left, or the machine changed.
FORBIDDEN = {
    "add_key", "bpf", "clock_settime", "delete_module", "finit_module", "fsopen", "init_module",
    "io_uring_setup", "ioperm", "iopl", "kexec_load", "keyctl", "mknod", "mount", "mount_setattr",
    "move_mount", "name_to_handle_at", "open_by_handle_at", "open_tree", "perf_event_open",
    "personality", "pivot_root", "process_vm_writev", "quotactl", "reboot", "request_key",
    "sethostname", "setns", "settimeofday", "swapon", "syslog", "umount2", "unshare",
    "userfaultfd", "chroot",
}  # fmt: skip


@pytest.fixture(scope="module")
def documents() -> dict[str, Any]:
    text = (DEPLOY / "kubernetes.yaml").read_text(encoding="utf-8")
    return {each["kind"]: each for each in yaml.safe_load_all(text)}


@pytest.fixture(scope="module")
def pod(documents: dict[str, Any]) -> dict[str, Any]:
    found = documents["Deployment"]["spec"]["template"]["spec"]
    assert isinstance(found, dict)
    return found


@pytest.fixture(scope="module")
def containers(pod: dict[str, Any]) -> dict[str, Any]:
    return {each["name"]: each for each in [*pod["initContainers"], *pod["containers"]]}


def test_who_may_do_what(pod: dict[str, Any], containers: dict[str, Any]) -> None:
    assert pod["shareProcessNamespace"] is True
    assert pod["automountServiceAccountToken"] is False
    for name, container in containers.items():
        context = container["securityContext"]
        assert context["capabilities"]["drop"] == ["ALL"]
        assert context["capabilities"].get("add", []) == (
            ["SYS_PTRACE"] if name == "tracer" else []
        )
        assert context["allowPrivilegeEscalation"] is False
        assert context["runAsNonRoot"] is (name != "tracer")
        assert container["resources"]["limits"].keys() == {"cpu", "memory"}
        if name != "app":
            assert context["readOnlyRootFilesystem"] is True
    assert containers["tracer"]["securityContext"]["seccompProfile"]["type"] == "Localhost"
    assert pod["securityContext"]["seccompProfile"]["type"] == "RuntimeDefault"


def test_the_parts_fit_together(
    documents: dict[str, Any], pod: dict[str, Any], containers: dict[str, Any], tmp_path: Path
) -> None:
    config = tmp_path / "sidecar.toml"
    config.write_text(documents["ConfigMap"]["data"]["sidecar.toml"])
    from renacer_otel.analysis.assertions import config as configuration

    section = configuration.load(str(config)).sections["sidecar"]
    listen = section["listen"]
    assert section["allow_uids"] == [containers["tracer"]["securityContext"]["runAsUser"]]
    assert f"--sidecar={listen}" in containers["tracer"]["args"]
    mounts = {
        name: {mount["name"]: mount["mountPath"] for mount in container.get("volumeMounts", ())}
        for name, container in containers.items()
    }
    assert mounts["sidecar"]["socket"] == mounts["tracer"]["socket"]
    # The volume's own folder is open to all: the socket's is made in it, by the sidecar.
    assert Path(listen).parent.parent == Path(mounts["sidecar"]["socket"])
    assert "socket" not in mounts["app"]
    assert Path(section["spool"]).parent == Path(mounts["sidecar"]["spool"])
    for volume in pod["volumes"]:
        if "emptyDir" in volume:
            assert volume["emptyDir"]["sizeLimit"]
    (sidecar_container,) = pod["initContainers"]
    assert sidecar_container["restartPolicy"] == "Always"


def test_the_probe_is_answered(
    documents: dict[str, Any], containers: dict[str, Any], tmp_path: Path
) -> None:
    """By a sidecar with the configuration of the manifest, but for where things are."""
    probe = containers["sidecar"]["startupProbe"]["httpGet"]
    (port,) = containers["sidecar"]["ports"]
    assert probe["port"] == port["name"]
    text = documents["ConfigMap"]["data"]["sidecar.toml"]
    assert f':{port["containerPort"]}"' in text
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
    text = text.replace(f"0.0.0.0:{port['containerPort']}", address)
    text = text.replace("/var/spool/renacer", str(tmp_path))
    (tmp_path / "sidecar.toml").write_text(text)
    with (
        Receiver("null") as receiver,
        sidecar(tmp_path, receiver.endpoint, "--config", str(tmp_path / "sidecar.toml")) as serving,
    ):
        with urllib.request.urlopen(f"http://{address}{probe['path']}") as answer:
            assert answer.status == 200
        assert serving.end().code == 0


def test_the_profile_allows_what_there_is_and_no_more() -> None:
    profile = json.loads(PROFILE.read_text(encoding="utf-8"))
    assert profile["defaultAction"] == "SCMP_ACT_ERRNO"
    allowed = {
        name
        for rule in profile["syscalls"]
        if rule["action"] == "SCMP_ACT_ALLOW"
        for name in rule["names"]
    }
    assert not allowed & FORBIDDEN
    table = (ROOT / "renacer_otel" / "engine" / "calls.tsv").read_text(encoding="utf-8")
    known = {line.split("\t")[0] for line in table.splitlines()}
    assert allowed <= known, allowed - known
    assert known >= FORBIDDEN


def under_profile(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, filtered.__file__, str(PROFILE), "--", *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )


def test_the_profile_forbids() -> None:
    """That the filter of these tests does filter."""
    assert under_profile("true").returncode == 0
    done = under_profile("unshare", "--user", "true")
    assert done.returncode != 0
    assert "Operation not permitted" in done.stdout


def _as(uid: int) -> dict[str, Any]:
    """Arguments of Popen: that user, who has no capability; nothing where the program cannot be
    run by it, as it may lie in a folder of root's."""
    who: dict[str, Any] = {"user": uid, "group": uid, "extra_groups": []}
    try:
        done = subprocess.run([RENACER, "--version"], capture_output=True, check=False, **who)
    except PermissionError:
        return {}
    return who if done.returncode == 0 else {}


@pytest.fixture
def serving() -> Iterator[Sidecar]:
    """The sidecar of the manifest: another user if that can be, its socket in a folder of all."""
    with tempfile.TemporaryDirectory(prefix="renacer-pod-") as name, Receiver("null") as receiver:
        folder = Path(name)
        folder.chmod(0o777)
        config = folder / "sidecar.toml"
        config.write_text("[sidecar]\nallow_uids = [0]\n")
        config.chmod(0o644)
        words = ("--config", str(config))
        with sidecar(folder, receiver.endpoint, *words, cwd="/", **_as(65532)) as made:
            yield made
            assert made.end().code == 0


@pytest.mark.needs("unshare", "setpriv")
@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to give up all but one capability")
@pytest.mark.parametrize("capability", [True, False], ids=["SYS_PTRACE", "none"])
def test_what_attaching_takes(serving: Sidecar, capability: bool) -> None:
    """In a PID namespace of its own, as root without any other capability, no privilege to be had
    by an exec, the root read-only, under the profile: it attaches to another user's process."""
    bounding = "-all,+sys_ptrace" if capability else "-all"
    folder = serving.path.parents[1]
    script = folder / "pod.sh"
    script.write_text(
        f"""set -e
mount --bind {folder} {folder}
mount -o remount,bind,ro /
setpriv --reuid={PROGRAM_UID} --regid={PROGRAM_UID} --clear-groups sleep 100 &
program=$!
until [ "$(cat /proc/$program/comm)" = sleep ]; do :; done
setpriv --bounding-set={bounding} --inh-caps=-all --no-new-privs {sys.executable} \\
    {filtered.__file__} {PROFILE} -- \\
    {RENACER} attach --name '^sleep' --sidecar={serving.path} >{folder}/said 2>&1 &
tracer=$!
until [ -s {folder}/said ]; do sleep 0.02; done
kill $program
wait $tracer && code=0 || code=$?
cat {folder}/said
exit $code
"""
    )
    done = subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", script],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    if capability:
        assert done.returncode == 0, done.stdout
        assert "attached to" in done.stdout
        assert "handed to the sidecar, 0 lost" in done.stdout
    else:
        assert done.returncode == 125, done.stdout
        assert "Operation not permitted" in done.stdout
