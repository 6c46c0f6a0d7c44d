"""Links are followed as the agent saw them, and never out of the workspace."""

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posttrainbench import catalog
from posttrainbench.run.snapshot import resolve_inside, secure_workspace, snapshot
from posttrainbench.submission.canonical import examine
from posttrainbench.untrusted import walk

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


def test_rights_and_special_bits_are_removed(workspace: Path) -> None:
    program = workspace / "folder" / "program"
    program.write_text("program")
    program.chmod(0o6755)
    (workspace / "folder").chmod(0o1777)
    (workspace / "hidden").mkdir()
    (workspace / "hidden" / "file").write_text("file")
    (workspace / "hidden" / "file").chmod(0)
    (workspace / "hidden").chmod(0)
    (workspace / "link").symlink_to("/etc/passwd")
    before = Path("/etc/passwd").stat().st_mode
    secure_workspace(workspace)
    modes = {path.name: oct(path.stat().st_mode & 0o7777) for path in workspace.rglob("*") if not path.is_symlink()}
    assert modes["program"] == "0o700"
    assert {modes["folder"], modes["deep"], modes["hidden"]} == {"0o700"}
    assert (workspace / "hidden" / "file").read_text() == "file"
    assert modes["file"] == "0o600"
    assert Path("/etc/passwd").stat().st_mode == before


def test_directories_of_any_depth_are_within_reach(workspace: Path) -> None:
    here = os.open(workspace, os.O_RDONLY)
    try:
        for _ in range(1200):
            os.mkdir("d", dir_fd=here)
            below = os.open("d", os.O_RDONLY, dir_fd=here)
            os.close(here)
            here = below
        os.close(os.open("bottom", os.O_CREAT | os.O_WRONLY, dir_fd=here))
        (workspace / ".deep-0").symlink_to("/")
    finally:
        os.close(here)
    secure_workspace(workspace)
    names = {entry.path.name for entry in walk(workspace) if not entry.reason}
    assert "bottom" in names
    assert max(len(str(entry.path)) for entry in walk(workspace)) < 4096
    secure_workspace(workspace)


@pytest.mark.parametrize("whole", [True, False])
def test_a_nested_checkpoint_is_named_by_the_submission_check(workspace: Path, whole: bool) -> None:
    base = Path(catalog.models()["micro-base"].directory)
    nested = workspace / "final_model" / "checkpoint-500"
    shutil.copytree(base, nested)
    (nested / "config.json").rename(nested / ("config.json" if whole else "old.json"))
    snapshot(workspace, SEEN_AS, out := workspace.parent / "out")
    assert sum(path.stat().st_size for path in (out / "checkpoint-500").iterdir()) == 0
    problem = examine(out, base).problems[0]
    assert ("final_model/checkpoint-500; move it up" in problem) is whole


@pytest.mark.parametrize(
    ("leads", "accepted"),
    [
        ("/models/base/model.safetensors", True),
        ("../models/base/model.safetensors", False),  # relative to final_model, this is inside the workspace
        ("../../models/base/model.safetensors", True),
        ("/workspace/shortcut/model.safetensors", True),
        ("../shortcut/model.safetensors", True),
        ("/models/base/../base/./model.safetensors", True),
        ("/models/other/model.safetensors", False),
        ("/models/base/below/model.safetensors", False),
    ],
)
def test_links_to_the_base_model_lead_to_it_on_the_host(workspace: Path, leads: str, accepted: bool) -> None:
    base = Path(catalog.models()["micro-base"].directory)
    (workspace / "shortcut").symlink_to("/models/base")
    (workspace / "final_model").mkdir()
    shutil.copy(base / "config.json", workspace / "final_model")
    (workspace / "final_model" / "model.safetensors").symlink_to(leads)
    snapshot(workspace, SEEN_AS, out := workspace.parent / "out", base, "/models/base")
    assert (examine(out, base).state == "accepted") is accepted


@pytest.mark.parametrize(("leads", "expected"), [("/models/base", True), ("shortcut", True), ("/models", False)])
def test_a_link_to_the_whole_base_model(workspace: Path, leads: str, expected: bool) -> None:
    base = Path(catalog.models()["micro-base"].directory)
    (workspace / "shortcut").symlink_to("/models/base")
    (workspace / "final_model").symlink_to(leads)
    snapshot(workspace, SEEN_AS, out := workspace.parent / "out", base, "/models/base")
    assert (examine(out, base).state == "accepted") is expected
