"""Links are followed as the agent saw them, and never out of the workspace."""

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posttrainbench.run.snapshot import resolve_inside, snapshot

SEEN_AS = "/workspace"


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("secret")
    root = tmp_path / "workspace"
    (root / "folder" / "deep").mkdir(parents=True)
    (root / "folder" / "file").write_text("file")
    return root


LEADS = {
    "folder/file": "folder/file",
    "./folder/../folder/./file": "folder/file",
    "/workspace/folder/file": "folder/file",
    "/workspace/./folder/deep/../file": "folder/file",
    "folder": "folder",
    "/workspace": ".",
    ".": ".",
    "absent": None,
    "folder/absent": None,
    "link": None,  # itself
    "/workspace/link": None,
    "..": None,
    "../secret": None,
    "../workspace/folder/file": None,  # the agent sees no such path
    "folder/../../secret": None,
    "/workspace/../secret": None,
    "/workspace/folder/../../secret": None,
    "/etc/passwd": None,
    "/": None,
    "/workspaces/file": None,
    "/proc/self/cwd": None,
}


@pytest.mark.parametrize(("leads", "expected"), LEADS.items())
def test_link(leads: str, expected: str | None, workspace: Path) -> None:
    (workspace / "link").symlink_to(leads)
    found = resolve_inside(workspace / "link", workspace, SEEN_AS)
    assert found == (None if expected is None else workspace / expected)


def test_path_on_the_host_is_no_path_inside(workspace: Path) -> None:
    (workspace / "link").symlink_to(workspace / "folder" / "file")
    assert resolve_inside(workspace / "link", workspace, SEEN_AS) is None
    assert resolve_inside(workspace / "link", workspace, str(workspace)) == workspace / "folder" / "file"


def test_link_through_a_folder_that_is_a_link(workspace: Path) -> None:
    (workspace / "inside").symlink_to("/workspace/folder")
    (workspace / "outside").symlink_to("/etc")
    assert resolve_inside(workspace / "inside" / "file", workspace, SEEN_AS) == workspace / "folder" / "file"
    assert resolve_inside(workspace / "inside" / ".." / "folder", workspace, SEEN_AS) == workspace / "folder"
    assert resolve_inside(workspace / "outside" / "passwd", workspace, SEEN_AS) is None


@pytest.mark.parametrize(("length", "found"), [(40, True), (41, False)])
def test_chain_of_links_has_a_limit(length: int, found: bool, workspace: Path) -> None:
    target = "folder/file"
    for number in range(length):
        (workspace / f"link{number}").symlink_to(target)
        target = f"link{number}"
    assert (resolve_inside(workspace / target, workspace, SEEN_AS) is not None) == found


PARTS = st.sampled_from(["a", "b", "c", "..", ".", "file"])
TARGETS = st.builds(
    lambda start, parts: start + "/".join(parts),
    st.sampled_from(["", "/", "/workspace/", "/workspace/../", "../"]),
    st.lists(PARTS, min_size=1, max_size=5),
)


@settings(max_examples=300)
@given(
    links=st.dictionaries(st.sampled_from(["a", "b", "c", "a2/a", "a2/b"]), TARGETS), path=st.lists(PARTS, min_size=1)
)
def test_nothing_outside_is_ever_found(
    links: dict[str, str], path: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    root = tmp_path_factory.mktemp("any").resolve()
    (root / "file").write_text("outside")
    workspace = root / "workspace"
    (workspace / "a2").mkdir(parents=True)
    (workspace / "file").write_text("inside")
    for name, target in links.items():
        (workspace / name).symlink_to(target)
    found = resolve_inside(workspace.joinpath(*path), workspace, SEEN_AS)
    if found is not None:
        assert found.is_relative_to(workspace)
        assert found.resolve() == found, "a link is left in it"


def test_snapshot_is_flat_and_holds_no_link(workspace: Path) -> None:
    model = workspace / "final_model"
    model.mkdir()
    (model / "plain").write_text("plain")
    (model / "inside").symlink_to("/workspace/folder/file")
    (model / "outside").symlink_to("../../secret")
    (model / "folder").mkdir()
    (model / "folder" / "below").write_text("below")
    os.mkfifo(model / "pipe")
    snapshot(workspace, SEEN_AS, out := workspace.parent / "out")
    assert sorted(path.name for path in out.iterdir()) == ["folder", "inside", "outside", "pipe", "plain"]
    assert (out / "plain").read_text() == "plain"
    assert (out / "inside").read_text() == "file"
    assert not (out / "inside").is_symlink()
    assert (out / "outside").readlink() == Path("outside-the-workspace")
    assert list((out / "folder").iterdir()) == []
    assert (out / "pipe").is_fifo()


@pytest.mark.parametrize("leads", ["/workspace/folder", "folder", "./folder/deep/.."])
def test_snapshot_of_a_model_that_is_a_link_inside(leads: str, workspace: Path) -> None:
    (workspace / "final_model").symlink_to(leads)
    snapshot(workspace, SEEN_AS, out := workspace.parent / "out")
    assert (out / "file").read_text() == "file"


@pytest.mark.parametrize("leads", ["/etc", "..", "/", "absent", "final_model", "folder/file"])
def test_no_snapshot_of_anything_else(leads: str, workspace: Path) -> None:
    (workspace / "final_model").symlink_to(leads)
    snapshot(workspace, SEEN_AS, out := workspace.parent / "out")
    assert not out.exists()
