"""Files of models on the Hub, as the Hub's cache holds them, and the chat templates in them."""

import json
from pathlib import Path

import pytest
from huggingface_hub import constants

from posttrainbench import catalog
from posttrainbench.catalog.templating import read_template
from posttrainbench.errors import InputError
from posttrainbench.hub.models import is_checkpoint_file, model_record_path

COMMIT = "1" * 40
INDEX = json.dumps({"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}})


@pytest.fixture
def snapshot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of org/tiny at `COMMIT` in a cache of its own."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PTB_DATA", str(tmp_path / "data"))
    folder = tmp_path / "cache" / "models--org--tiny" / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    return folder


def tiny(revision: str | None = COMMIT) -> catalog.Model:
    return catalog.Model(id="tiny", title="t", family="qwen3", hub="org/tiny", revision=revision)


def fill(snapshot: Path, **files: str) -> None:
    for name, content in ({"config": "{}", "tokenizer_config": "{}"} | files).items():
        (snapshot / (name if "." in name else f"{name}.json")).write_text(content)


def test_nothing_is_there(snapshot: Path) -> None:
    with pytest.raises(InputError, match=r"tiny is not on this machine; run `ptb data pull tiny --weights`"):
        _ = tiny().directory
    with pytest.raises(InputError, match=r"run `ptb data pull tiny`\."):
        _ = tiny().tokenizer_directory


def test_tokenizer_alone(snapshot: Path) -> None:
    fill(snapshot)
    assert tiny().tokenizer_directory == snapshot
    with pytest.raises(InputError, match="--weights"):
        _ = tiny().directory


@pytest.mark.parametrize(
    ("files", "whole"),
    [
        ({"model.safetensors": ""}, True),
        ({"model.safetensors.index.json": INDEX, "model-1.safetensors": "", "model-2.safetensors": ""}, True),
        ({"model.safetensors.index.json": INDEX, "model-2.safetensors": ""}, False),
        ({"model.safetensors.index.json": INDEX, "model.safetensors": ""}, False),
    ],
)
def test_weights(files: dict[str, str], whole: bool, snapshot: Path) -> None:
    fill(snapshot, **files)
    if whole:
        assert tiny().directory == snapshot
    else:
        with pytest.raises(InputError, match="--weights"):
            _ = tiny().directory


def test_unpinned_model_keeps_to_the_commit_that_was_pulled(snapshot: Path) -> None:
    fill(snapshot)
    with pytest.raises(InputError, match="run `ptb data pull tiny`"):
        _ = tiny(revision=None).tokenizer_directory
    record = model_record_path("tiny")
    record.parent.mkdir(parents=True)
    record.write_text(json.dumps({"repository": "org/tiny", "revision": COMMIT, "files": {}, "time": ""}))
    assert tiny(revision=None).tokenizer_directory == snapshot
    record.write_text("{}")
    with pytest.raises(InputError, match="is damaged; delete it and pull tiny again"):
        _ = tiny(revision=None).tokenizer_directory


@pytest.mark.parametrize(
    ("name", "small", "large"),
    [
        ("config.json", True, True),
        ("chat_template.jinja", True, True),
        ("merges.txt", True, True),
        ("tokenizer.model", True, True),
        ("model-00001-of-00002.safetensors", False, True),
        ("model.safetensors.index.json", False, True),
        ("pytorch_model.bin", False, False),
        ("README.md", False, False),
        ("original/params.json", False, False),
    ],
)
def test_files_of_a_checkpoint(name: str, small: bool, large: bool) -> None:
    assert (is_checkpoint_file(name, weights=False), is_checkpoint_file(name, weights=True)) == (small, large)


NAMED = [{"name": "default", "template": "plain"}, {"name": "tool_use", "template": "tools"}]


@pytest.mark.parametrize(
    ("files", "plain", "tools"),
    [
        ({"chat_template.jinja": "A"}, "A", "A"),
        ({"chat_template.jinja": "A", "tokenizer_config.json": '{"chat_template": "B"}'}, "A", "A"),
        ({"tokenizer_config.json": '{"chat_template": "B"}'}, "B", "B"),
        ({"tokenizer_config.json": "{}", "chat_template.json": '{"chat_template": "C"}'}, "C", "C"),
        ({"tokenizer_config.json": json.dumps({"chat_template": NAMED})}, "plain", "tools"),
        ({"tokenizer_config.json": json.dumps({"chat_template": NAMED[:1]})}, "plain", "plain"),
    ],
)
def test_chat_template(files: dict[str, str], plain: str, tools: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    assert (read_template(tmp_path, tools=False), read_template(tmp_path, tools=True)) == (plain, tools)


def test_no_chat_template(tmp_path: Path) -> None:
    (tmp_path / "tokenizer_config.json").write_text("{}")
    with pytest.raises(InputError, match="has no chat template"):
        read_template(tmp_path, tools=False)
