"""The Hub's cache in a real sandbox: what the machine has is there, unchangeable; what is added is the run's own."""

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from egress_lab import COMMIT, Inside, Lab, inside, lab
from posttrainbench.gateway.egress import EgressPolicy
from posttrainbench.run import model_cache
from posttrainbench.run.model_cache import HOME, cache_mounts, create_layer, delete_models, list_downloads
from posttrainbench.sandbox import Mount
from posttrainbench.sandbox.bubblewrap import Bubblewrap

pytestmark = pytest.mark.sandbox

OLD = "0" * 40
LOAD = "from huggingface_hub import hf_hub_download as d\n"
OPEN = EgressPolicy(network="open")


def repository(cache: Path, name: str, revision: str = OLD, content: bytes = b'{"from": "below"}') -> Path:
    """A repository with one file, as the Hub's client lays it out."""
    folder = cache / name
    for inner in ("blobs", f"snapshots/{revision}", "refs"):
        (folder / inner).mkdir(parents=True)
    (folder / "blobs" / "ab12").write_bytes(content)
    (folder / f"snapshots/{revision}/config.json").symlink_to("../../blobs/ab12")
    (folder / "refs/main").write_text(revision)
    return folder


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab"), ["huggingface.co"]) as servers:
        yield servers


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine's cache with a model, a data set and published runs of this benchmark."""
    cache = tmp_path / "machine"
    repository(cache, "models--some--model")
    repository(cache, "datasets--some--rows", content=b"x" * 5000)
    repository(cache, "datasets--some--posttrainbench-recipes")
    (cache / "models--elsewhere").symlink_to("/etc")
    (cache / "version.txt").write_text("1")
    return cache


class Layered:
    """A sandbox whose workspace has a layer over a machine's cache."""

    def __init__(self, box: Inside, lower: list[Mount]) -> None:
        self.box, self.lower = box, lower
        locate = box.sandbox.locate
        create_layer(box.work, lower, {mount.role: locate(mount) for mount in lower})
        self.variables = {"HF_HOME": f"/work/{HOME}"}

    def python(self, source: str, **variables: str) -> str:
        said = self.box.run(self.box.sandbox.python, "-c", source, mounts=self.lower, **self.variables, **variables)
        assert said.returncode == 0, said.stderr
        return said.stdout.strip()


@pytest.fixture
def layered(tmp_path: Path, machine: Path, internet: Lab) -> Iterator[Layered]:
    with inside(tmp_path, internet) as box:
        yield Layered(box, cache_mounts(machine, OPEN))


def _tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_what_the_machine_has_is_loaded_without_a_network(layered: Layered) -> None:
    said = layered.python(f"{LOAD}print(open(d('some/model', 'config.json')).read())", HF_HUB_OFFLINE="1")
    assert json.loads(said) == {"from": "below"}
    assert layered.box.requests(0) == []


def test_a_new_revision_goes_into_the_runs_own_layer(layered: Layered, internet: Lab, machine: Path) -> None:
    before = _tree(machine)
    for revision in ("main", COMMIT):
        internet.tls.files[f"/some/model/resolve/{revision}/config.json"] = b'{"from": "above"}'
        internet.tls.files[f"/some/model/resolve/{revision}/large.bin"] = b"w" * 10_000
    said = layered.python(f"{LOAD}print(open(d('some/model', 'config.json')).read()); d('some/model', 'large.bin')")
    assert json.loads(said) == {"from": "above"}
    below = layered.python(f"{LOAD}print(open(d('some/model', 'config.json', revision='{OLD}')).read())")
    assert json.loads(below) == {"from": "below"}
    assert _tree(machine) == before
    (found,) = list_downloads(layered.box.work)
    assert (found.kind, found.repo, found.revision, found.files) == ("model", "some/model", COMMIT, 2)
    assert found.size == 10_000 + len('{"from": "above"}')


def test_the_machines_cache_cannot_be_changed(layered: Layered, machine: Path) -> None:
    before = _tree(machine)
    source = f"""
import os, pathlib
hub = pathlib.Path("/work/{HOME}/hub/models--some--model")
for blob in (hub / "blobs").iterdir():
    for attempt in (lambda: blob.write_text("poison"), lambda: blob.resolve().write_text("poison"),
                    lambda: os.unlink(blob.resolve()), lambda: os.chmod(blob.resolve(), 0o777)):
        try:
            attempt(); print("changed")
        except OSError:
            pass
    blob.unlink(); blob.write_text("my own")
"""
    assert layered.python(source) == ""
    assert _tree(machine) == before
    (found,) = list_downloads(layered.box.work)
    assert (found.repo, found.revision, found.files, found.size) == ("some/model", OLD, 1, 6)


def test_published_runs_and_what_is_withheld_are_not_shown(machine: Path) -> None:
    def shown(policy: EgressPolicy | None) -> set[str]:
        return {mount.source.name for mount in cache_mounts(machine, policy)}

    assert shown(None) == {"models--some--model", "datasets--some--rows"}
    assert shown(EgressPolicy(network="open", test_data=["some/rows:*test*"])) == {"models--some--model"}
    assert shown(EgressPolicy(network="open", instruct="a/model", base="a/model-base")) == {"datasets--some--rows"}
    assert cache_mounts(machine / "absent", None) == []


def test_what_was_downloaded_is_dropped_but_for_data(tmp_path: Path) -> None:
    hub = tmp_path / HOME / "hub"
    repository(hub, "models--new--model", content=b"w" * 1000)
    repository(hub, "datasets--new--rows")
    (hub / "models--new--model" / "blobs" / "cd.incomplete").write_bytes(b"12345")
    (hub.parent / "xet").mkdir()
    found = [(each.repo, each.revision, each.files, each.size) for each in list_downloads(tmp_path)]
    assert found == [("new/rows", OLD, 1, 17), ("new/model", OLD, 1, 1000), ("new/model", None, 1, 5)]
    delete_models(tmp_path)
    assert [path.name for path in hub.iterdir()] == ["datasets--new--rows"]
    assert not (hub.parent / "xet").exists()
    delete_models(tmp_path / "absent")


def test_a_layer_full_of_traps_is_read_without_following_any(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").write_text("kept")
    work = tmp_path / "work"
    hub = work / HOME / "hub"
    repository(hub, "models--a--b")
    (hub / "models--a--b" / "snapshots" / "trap").symlink_to(outside)
    (hub / "models--a--b" / "blobs" / "link").symlink_to(outside / "kept")
    os.mkfifo(hub / "models--a--b" / "blobs" / "pipe")
    (hub / "models--c--d").symlink_to(outside)
    (hub / "models--").mkdir()
    (hub / "models--e--f").write_text("a file")
    assert [(each.repo, each.files) for each in list_downloads(work)] == [("a/b", 1)]
    delete_models(work)
    assert (outside / "kept").read_text() == "kept"
    lured = tmp_path / "lured"
    (lured / ".home").mkdir(parents=True)
    (lured / ".home" / ".cache").symlink_to(work / ".home" / ".cache")
    repository(hub, "models--g--h")
    delete_models(lured)
    assert (hub / "models--g--h").exists()
    assert list_downloads(lured) == []


def test_a_cache_of_files_instead_of_links_is_shown_too(tmp_path: Path, internet: Lab) -> None:
    """As the client lays it out on file systems without links."""
    cache = tmp_path / "machine"
    folder = repository(cache, "models--some--model")
    file = folder / f"snapshots/{OLD}/config.json"
    file.unlink()
    (folder / "blobs" / "ab12").rename(file)
    with inside(tmp_path, internet) as box:
        said = Layered(box, cache_mounts(cache, None)).python(
            f"{LOAD}print(open(d('some/model', 'config.json')).read())", HF_HUB_OFFLINE="1"
        )
    assert json.loads(said) == {"from": "below"}


def test_the_machines_cache_is_where_its_client_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert model_cache.machine_cache() == tmp_path
    assert isinstance(Bubblewrap().locate(Mount("hub/models--a--b", tmp_path)), str)
