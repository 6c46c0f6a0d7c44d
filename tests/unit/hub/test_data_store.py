"""The store: atomic replacement, verified reading, import of local files."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import data_package
from data_package import TEST, TRAIN
from posttrainbench.benchmarks.base import items_sha256
from posttrainbench.benchmarks.data import benchmark_folder, read_provenance, stored_items
from posttrainbench.benchmarks.importing import import_files
from posttrainbench.catalog import loading
from posttrainbench.errors import InputError
from posttrainbench.hub import store
from posttrainbench.hub.store import replace_directory, store_root
from support import assert_refused

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Install the package with an empty store."""
    monkeypatch.setenv("PTB_DATA", str(tmp_path / "store"))
    monkeypatch.delenv(loading.VARIABLE, raising=False)
    folder = data_package.install(tmp_path / "site")
    monkeypatch.syspath_prepend(folder)
    with data_package.fresh_catalog():
        yield folder


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    """Write local copies of the published files in another format."""
    found = {}
    for split, rows in (("train", TRAIN), ("test", TEST)):
        found[split] = tmp_path / f"{split}.jsonl"
        found[split].write_text("".join(json.dumps(row) + "\n" for row in rows))
    return found


def contents() -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in benchmark_folder("tiny").iterdir()}


# ------------------------------------------------------------------------------------------------------------- reading


def test_place_of_the_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_DATA", str(tmp_path / "chosen"))
    assert store_root() == tmp_path / "chosen"
    monkeypatch.delenv("PTB_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    assert store_root() == tmp_path / "data" / "posttrainbench"
    monkeypatch.delenv("XDG_DATA_HOME")
    assert store_root() == Path.home() / ".local" / "share" / "posttrainbench"


def test_absent_data(package: Path) -> None:
    with pytest.raises(InputError, match=r"data of tiny is not on this machine; run `ptb data pull tiny`\."):
        stored_items("tiny", "test")


def test_split_without_published_files(package: Path) -> None:
    assert stored_items("micro-math", "train") == []


def test_imported_items(package: Path, files: dict[str, Path]) -> None:
    import_files("tiny", [files["test"]])
    items = stored_items("tiny", "test")
    assert [item.question for item in items] == [row["question"] for row in TEST]
    provenance = read_provenance("tiny")
    assert provenance is not None
    assert provenance.splits["test"].items_sha256 == items_sha256(items)
    assert provenance.splits["test"].repository is None
    assert list(provenance.splits["test"].files) == ["test.jsonl"]
    items.clear()
    assert len(stored_items("tiny", "test")) == 4, "a caller cannot change what others get"


def test_splits_are_imported_one_by_one(package: Path, files: dict[str, Path]) -> None:
    import_files("tiny", [files["test"]])
    before = contents()["test.jsonl"]
    import_files("tiny", [files["train"]], "train")
    assert contents()["test.jsonl"] == before
    assert (len(stored_items("tiny", "train")), len(stored_items("tiny", "test"))) == (5, 4)


def test_new_file_is_read_again(package: Path, files: dict[str, Path]) -> None:
    import_files("tiny", [files["test"]])
    stored_items("tiny", "test")
    files["test"].write_text(files["test"].read_text().replace("100", "99"))
    import_files("tiny", [files["test"]])
    assert stored_items("tiny", "test")[0].target == {"number": 99}


@pytest.mark.parametrize("pinned", [True, False])
def test_changed_items_are_never_used(pinned: bool, package: Path, files: dict[str, Path]) -> None:
    import_files("tiny", [files["test"]])
    if pinned:
        sha256 = items_sha256(stored_items("tiny", "test"))
        data_package.install(package, facts=f"sha256: {{test: {sha256}}}\n")
        loading.load_shelf.cache_clear()
        assert len(stored_items("tiny", "test")) == 4
    file = benchmark_folder("tiny") / "test.jsonl"
    file.write_text(file.read_text().replace('"number": 100', '"number": 101'))
    with pytest.raises(InputError, match=r"differs from the test items of tiny .* run `ptb data pull tiny`"):
        stored_items("tiny", "test")


def test_catalog_that_describes_other_items(package: Path, files: dict[str, Path]) -> None:
    import_files("tiny", [files["test"]])
    data_package.install(package, facts=f"sha256: {{test: {'f' * 64}}}\n")
    loading.load_shelf.cache_clear()
    with pytest.raises(InputError, match="differs from the test items"):
        stored_items("tiny", "test")


@pytest.mark.parametrize("content", [None, "{", "{}"])
def test_broken_provenance(content: str | None, package: Path, files: dict[str, Path]) -> None:
    import_files("tiny", [files["test"]])
    file = benchmark_folder("tiny") / "provenance.json"
    file.unlink()
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError, match="run `ptb data pull tiny` to replace"):
        stored_items("tiny", "test")
    import_files("tiny", [files["test"]])
    assert len(stored_items("tiny", "test")) == 4


# ----------------------------------------------------------------------------------------------------------- importing


def test_import_on_the_command_line(package: Path, files: dict[str, Path], ptb_here: Ptb) -> None:
    said = ptb_here("data", "import", "tiny", files["train"], "--split", "train")
    assert (said.returncode, said.stdout) == (0, "tiny: 5 train items\n")


@pytest.mark.parametrize(
    ("arguments", "mention"),
    [
        (("tiny", "{train}"), "train.jsonl: expected 4 test items of tiny, found 5"),
        (("tiny", "{test}", "{test}"), "expected 4 test items of tiny, found 8"),
        (("tiny", "absent.jsonl"), "The file absent.jsonl does not exist"),
        (("micro-math", "{test}"), "micro-math needs no external data"),
        (("tinyy", "{test}"), "Unknown benchmark `tinyy`; did you mean `tiny`?"),
        (("tiny", "{empty}"), "empty.jsonl: expected 4 test items of tiny, found 0"),
        (("tiny", "{wrong}"), "Row 0 has no `answer`."),
    ],
)
def test_import_of_other_files(
    arguments: tuple[str, ...], mention: str, package: Path, files: dict[str, Path], ptb_here: Ptb
) -> None:
    files["empty"], files["wrong"] = (files["test"].with_name(f"{name}.jsonl") for name in ("empty", "wrong"))
    files["empty"].touch()
    files["wrong"].write_text('{"question": "a"}\n')
    assert_refused(ptb_here("data", "import", *(one.format(**files) for one in arguments)), mention)
    assert not store_root().exists()


def test_import_of_an_unpublished_split(package: Path, files: dict[str, Path], ptb_here: Ptb) -> None:
    module = package / "tiny_package" / "__init__.py"
    module.write_text(module.read_text().replace('"train": Source', '"validation": Source'))
    assert "has no published train split" in ptb_here(
        *("data", "import", "tiny", files["train"], "--split", "train")
    ).stderr  # fmt: skip


def test_wrong_import_leaves_the_store_as_it_was(package: Path, files: dict[str, Path], ptb_here: Ptb) -> None:
    import_files("tiny", [files["test"]])
    before = contents()
    assert ptb_here("data", "import", "tiny", files["train"]).returncode == 2
    assert contents() == before


# ----------------------------------------------------------------------------------------------------------- replacing


def test_directory_is_replaced_whole(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b"
    replace_directory(target, {"one": b"1", "two": b"2"})
    replace_directory(target, {"two": b"3"})
    assert {path.name: path.read_bytes() for path in target.iterdir()} == {"two": b"3"}
    assert sorted(path.name for path in target.parent.iterdir()) == [".lock", "b"]


@pytest.mark.parametrize("call", ["fsync_tree", "fsync_dir"])
def test_crash_leaves_no_part_of_a_directory(call: str, tmp_path: Path) -> None:
    """A kill while writing leaves the old directory, one after the renames the new one; the next write succeeds."""
    target = tmp_path / "b"
    replace_directory(target, {"one": b"old"})
    code = (
        "import os, signal, sys; from pathlib import Path; from posttrainbench.hub import store\n"
        f"store.{call} = lambda path: os.kill(os.getpid(), signal.SIGKILL)\n"
        "store.replace_directory(Path(sys.argv[1]), {'one': b'new', 'two': b'new'})"
    )
    subprocess.run([sys.executable, "-c", code, str(target)], check=False)
    found = {path.name: path.read_bytes() for path in target.iterdir()}
    assert found == ({"one": b"old"} if call == "fsync_tree" else {"one": b"new", "two": b"new"})
    replace_directory(target, {"one": b"newer"})
    assert sorted(path.name for path in tmp_path.iterdir()) == [".lock", "b"]


def test_directory_is_synced_before_the_rename(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[str, bool]] = []
    target = tmp_path / "b"
    for name in ("fsync_tree", "fsync_dir"):
        monkeypatch.setattr(store, name, lambda path, name=name: seen.append((name, target.exists())))
    replace_directory(target, {"one": b"1"})
    assert seen == [("fsync_tree", False), ("fsync_dir", True)]


# ----------------------------------------------------------------------------------------------------------- real data

REAL = {
    "gsm8k": [("test", ["gsm8k_test.jsonl"]), ("train", ["gsm8k_train.jsonl"])],
    "bfcl": [("test", ["bfcl_exec_simple.jsonl", "bfcl_exec_simple_answers.jsonl"])],
    "humaneval": [("test", ["HumanEval.jsonl.gz"])],
    "arenahardwriting": [
        ("test", ["arenahard_v2_creative_writing_questions.jsonl", "arenahard_v2_qwen3-1.7b_answers.jsonl"])
    ],
    "healthbench": [("test", ["healthbench_easy.jsonl"])],
}


@pytest.mark.skipif("PTB_TEST_DATA" not in os.environ, reason="PTB_TEST_DATA names no directory with the real data")
@pytest.mark.parametrize(
    ("name", "split", "names"), [(name, split, names) for name, all_of in REAL.items() for split, names in all_of]
)
def test_real_data(name: str, split: str, names: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PTB_DATA", str(tmp_path))
    provenance = import_files(name, [Path(os.environ["PTB_TEST_DATA"]) / one for one in names], split)
    assert len(stored_items(name, split)) == provenance.splits[split].items
