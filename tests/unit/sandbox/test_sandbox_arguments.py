"""Command lines of container backends, tested without containers."""

import csv
import io
import os
import site
import sys
import tarfile
from pathlib import Path

import pytest

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.sandbox import Limits, Mount, host
from posttrainbench.sandbox.apptainer import Apptainer, apptainer_arguments, inner_environment
from posttrainbench.sandbox.containers import (
    UNUSED_UID,
    ContainerEngine,
    Docker,
    Podman,
    client_environment,
    empty_root_tar,
    give_ownership,
    limit_options,
    mount_options,
)

MOUNTS = [Mount("workspace", Path("/runs/1/workspace"), writable=True), Mount("kit", Path("/runs/1/prepare/kit"))]
APPTAINER = """
--silent exec --containall --cleanenv --no-umask --no-eval --no-privs --net --network none --uts --hostname sandbox
--nv --bind /runs/1/workspace:/workspace:rw --bind /runs/1/prepare/kit:/kit:ro --pwd /workspace
/images/agent.sif python3 /agent/sft.py --steps 150
""".split()


def test_apptainer_command_line() -> None:
    argv = ["python3", "/agent/sft.py", "--steps", "150"]
    assert apptainer_arguments("/images/agent.sif", argv, MOUNTS, "/workspace", [0, 1]) == APPTAINER
    without = [word for word in APPTAINER if word != "--nv"]
    assert apptainer_arguments("/images/agent.sif", argv, MOUNTS, "/workspace", []) == without


def test_apptainer_passes_variables_through_the_environment() -> None:
    assert inner_environment({"TOKEN": "secret"}, [0, 2]) == {
        "APPTAINERENV_TOKEN": "secret",
        "APPTAINERENV_CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "APPTAINERENV_CUDA_VISIBLE_DEVICES": "0,2",
    }
    assert inner_environment({}, []) == {}


@pytest.mark.parametrize("source", ["/runs/a:b", "/runs/a,b"])
def test_apptainer_refuses_paths_with_separators(source: str) -> None:
    with pytest.raises(InputError, match="colon or a comma"):
        apptainer_arguments("image", [], [Mount("kit", Path(source))], "/", [])


def test_missing_apptainer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="apptainer` is missing"):
        Apptainer("image").check()
    with pytest.raises(InfrastructureError):
        Apptainer("image").start(["true"], [], {}, "/")


def test_apptainer_without_an_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "apptainer").write_text("#!/bin/sh\n")
    (tmp_path / "apptainer").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="does not exist"):
        Apptainer().check()


def test_apptainer_is_supervised(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fake `apptainer` prints its arguments."""
    stand_in = tmp_path / "bin" / "apptainer"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\nprintf "%s " "$@" "$APPTAINERENV_A"\nenv | grep -c PTB_SECRET\nexit 3\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:/usr/bin:/bin")
    monkeypatch.setenv("PTB_SECRET", "x")
    (tmp_path / "image").mkdir()
    process = Apptainer(str(tmp_path / "image")).start(["python3", "x"], MOUNTS[:1], {"A": "b"}, "/workspace")
    out, _ = process.popen.communicate()
    process.kill(0)
    report = process.report()
    assert report is not None
    assert (report.exit_code, report.ended_by) == (3, "itself")
    assert out.decode().split()[-6:] == ["/workspace", f"{tmp_path}/image", "python3", "x", "b", "0"]


@pytest.mark.parametrize("name", ["plain", "with space", "a:b", "a,b", 'a"b', "a=b", "readonly,x"])
def test_mounts_of_any_name(name: str) -> None:
    option, value, *_ = mount_options([(Path("/runs", name), "/kit", False)])
    assert option == "--mount"
    [fields] = csv.reader(io.StringIO(value))
    assert fields == ["type=bind", f"source=/runs/{name}", "target=/kit", "readonly"]


@pytest.mark.parametrize(("engine", "image"), [(Podman, None), (Docker, None), (Docker, "python:3.12")])
def test_host_names_and_name_servers_are_not_the_hosts(engine: type[ContainerEngine], image: str | None) -> None:
    sources = {target: (source, writable) for source, target, writable in engine(image).binds([])}
    for target in ("/etc/hosts", "/etc/resolv.conf"):
        source, writable = sources[target]
        assert not writable
        assert not [
            line for line in source.read_text().splitlines() if not line.startswith(("#", "127.0.0.1 ", "::1 "))
        ]


def test_writable_mount_and_temporary_directory() -> None:
    options = mount_options([(Path("/runs/w"), "/workspace", True)])
    assert options[1] == "type=bind,source=/runs/w,target=/workspace"
    assert options[2] == "--tmpfs"
    assert "--tmpfs" not in mount_options([(Path("/runs/t"), "/tmp", True)])


def test_limits_of_engines() -> None:
    full = Limits(memory=2**30, processes=100, cpus=1.5, disk=5)
    assert limit_options(full) == "--memory 1073741824 --memory-swap 1073741824 --pids-limit 100 --cpus 1.5".split()
    assert limit_options(Limits()) == ["--pids-limit", "-1"]


def test_empty_root_is_deterministic_and_has_no_files() -> None:
    assert empty_root_tar() == empty_root_tar()
    with tarfile.open(fileobj=io.BytesIO(empty_root_tar())) as archive:
        members = archive.getmembers()
    assert "usr" in {member.name for member in members}
    assert not [member.name for member in members if member.isfile()]


def test_client_gets_none_of_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("ANTHROPIC_API_KEY", "HF_TOKEN", "DOCKER_HOST", "CONTAINERS_CONF", "HOME"):
        monkeypatch.setenv(name, "x")
    assert {"DOCKER_HOST", "CONTAINERS_CONF", "HOME"} <= set(client_environment())
    assert not {"ANTHROPIC_API_KEY", "HF_TOKEN"} & set(client_environment())


def test_multiline_variable_is_refused() -> None:
    with pytest.raises(InputError, match="BAD"):
        Docker("image").start(["true"], [], {"BAD": "a\nOTHER=b"}, "/")


def test_ownership_of_writable_mounts_without_following_links(tmp_path: Path) -> None:
    (tmp_path / "workspace" / "folder").mkdir(parents=True)
    (tmp_path / "kit").mkdir()
    outside = tmp_path / "outside"
    outside.write_text("")
    (tmp_path / "workspace" / "folder" / "link").symlink_to(outside)
    mounts = [Mount("workspace", tmp_path / "workspace", writable=True), Mount("kit", tmp_path / "kit")]
    user = give_ownership(mounts)
    if os.geteuid() == 0:
        assert user == f"{UNUSED_UID}:{UNUSED_UID}"
        assert (tmp_path / "workspace" / "folder").stat().st_uid == UNUSED_UID
    else:
        assert user == f"{os.geteuid()}:{os.getegid()}"
    assert outside.stat().st_uid == os.geteuid()
    assert (tmp_path / "kit").stat().st_uid == os.geteuid()


def test_packages_of_another_environment_are_mounted_and_sources_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages, sources = tmp_path / "env" / "site-packages", tmp_path / "src"
    packages.mkdir(parents=True)
    sources.mkdir()
    before = host.python_binds()
    monkeypatch.setattr(sys, "path", [*sys.path, str(packages), str(sources), str(tmp_path / "no" / "site-packages")])
    assert host.python_binds() == [*before, packages]
    monkeypatch.setattr(site, "getusersitepackages", lambda: str(packages))
    assert host.python_binds() == before
