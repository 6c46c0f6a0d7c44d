"""`ptb check-submission`: the validator alone, on real checkpoints and spoilt ones."""

import json
import shutil
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from posttrainbench import catalog
from support import assert_refused

Ptb = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A good submission: the base model itself."""
    return Path(shutil.copytree(catalog.models()["micro-base"].directory, tmp_path / "final_model"))


def check(ptb_here: Ptb, model: Path, code: int, *words: str) -> dict[str, object]:
    said = ptb_here("check-submission", model, "--model", "micro-base", "--json", *words)
    assert said.returncode == code, said.stderr
    return dict(json.loads(said.stdout))


def config(model: Path, **changes: object) -> None:
    path = model / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def header_of(data: bytes) -> tuple[int, dict[str, object]]:
    length = struct.unpack("<Q", data[:8])[0]
    return length, json.loads(data[8 : 8 + length])


def with_nan(model: Path) -> None:
    path = model / "model.safetensors"
    data = bytearray(path.read_bytes())
    length, _ = header_of(data)
    data[8 + length : 12 + length] = b"\xff\xff\xff\xff"
    path.write_bytes(data)


def into_shards(model: Path) -> None:
    whole = model / "model.safetensors"
    _, header = header_of(whole.read_bytes())
    names = [name for name in header if name != "__metadata__"]
    whole.rename(model / "model-00001-of-00002.safetensors")
    where = dict.fromkeys(names, "model-00001-of-00002.safetensors") | {"gone": "model-00002-of-00002.safetensors"}
    (model / "model.safetensors.index.json").write_text(json.dumps({"weight_map": where}))


def only(model: Path, name: str) -> None:
    (model / "model.safetensors").unlink()
    (model / name).write_bytes(b"x")


def outside(model: Path) -> None:
    weights = model / "model.safetensors"
    weights.symlink_to(weights.rename(model.parent.parent / f"{model.parent.name}.safetensors"))


BROKEN: dict[str, tuple[Callable[[Path], object], str, str]] = {
    "architecture": (lambda m: config(m, architectures=["Qwen2ForCausalLM"]), "broken", "architectures"),
    "remote code": (lambda m: config(m, auto_map={"AutoModel": "own.Own"}), "refused", "auto_map"),
    "pickles alone": (lambda m: only(m, "pytorch_model.bin"), "refused", "pickles"),
    "an adapter alone": (lambda m: only(m, "adapter_model.safetensors"), "broken", "adapter"),
    "a missing shard": (into_shards, "broken", "model-00002-of-00002"),
    "NaN": (with_nan, "broken", "NaN"),
    "a link that leads out": (outside, "refused", "symbolic link"),
    "an empty directory": (lambda m: [path.unlink() for path in m.iterdir()], "missing", "empty"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_what_would_not_be_accepted(model: Path, ptb_here: Ptb, name: str) -> None:
    spoil, state, mention = BROKEN[name]
    spoil(model)
    found = check(ptb_here, model, 1)
    assert (found["verdict"], found["taken"]) == ("flagged", [])
    manifest = found["manifest"]
    assert isinstance(manifest, dict)
    assert manifest["state"] == state
    assert mention in manifest["problems"][0]


def test_a_good_one_with_leftovers(model: Path, ptb_here: Ptb) -> None:
    (model / "train.py").write_text("print()")
    (model / ".hidden").write_text("x")
    (model / "generation_config.json").write_text('{"do_sample": false, "forced_decoder_ids": [[1, 2]]}')
    found = check(ptb_here, model, 0)
    manifest = found["manifest"]
    assert isinstance(manifest, dict)
    assert {one["path"] for one in manifest["refused"]} == {"train.py", ".hidden"}
    assert any("forced_decoder_ids are ignored" in fact for fact in manifest["facts"])
    assert "model.safetensors" in found["taken"]  # type: ignore[operator]


def test_a_link_beside_it_is_the_file_as_in_a_run(model: Path, ptb_here: Ptb) -> None:
    (model / "model.safetensors").rename(model.parent / "best.safetensors")
    (model / "model.safetensors").symlink_to("../best.safetensors")
    assert check(ptb_here, model, 0)["verdict"] == "clean"


def test_links_to_the_base_model_count_as_its_files(model: Path, ptb_here: Ptb) -> None:
    for name in ("model.safetensors", "config.json"):
        (model / name).unlink()
        (model / name).symlink_to(catalog.models()["micro-base"].directory / name)
    assert check(ptb_here, model, 0)["taken"] == ["config.json", "generation_config.json", "model.safetensors"]


def test_the_tokenizer_may_be_missing_or_damaged(model: Path, ptb_here: Ptb) -> None:
    (model / "tokenizer.json").unlink()
    assert check(ptb_here, model, 0)["verdict"] == "clean"
    (model / "tokenizer.json").write_text("{")
    manifest = check(ptb_here, model, 0)["manifest"]
    assert isinstance(manifest, dict)
    assert any(fact.startswith("tokenizer.json is ignored") for fact in manifest["facts"])


def test_a_pickle_that_runs_code_is_named(model: Path, ptb_here: Ptb) -> None:
    (model / "training_args.bin").write_bytes(b"cposix\nsystem\n(S'true'\ntR.")
    found = check(ptb_here, model, 0)
    assert found["pickles"] == {"training_args.bin": "posix system"}
    said = ptb_here("check-submission", model)
    assert "posix system" in said.stdout


def test_for_people_and_as_sarif_the_base_is_found_by_architecture(model: Path, ptb_here: Ptb) -> None:
    said = ptb_here("check-submission", model)
    assert said.returncode == 0
    assert "accepted" in said.stdout
    assert "micro-base" in said.stdout
    config(model, model_type="llama")
    said = ptb_here("check-submission", model, "--model", "micro-base", "--sarif")
    assert said.returncode == 1
    (run,) = json.loads(said.stdout)["runs"]
    assert run["results"][0]["level"] == "error"


def test_nothing_of_a_hostile_name_reaches_the_terminal(model: Path, ptb_here: Ptb) -> None:
    (model / "a\x1b[2J\nb.py").write_text("")
    said = ptb_here("check-submission", model)
    assert [letter for letter in said.stdout if not letter.isprintable() and letter != "\n"] == []


@pytest.mark.parametrize(
    ("words", "mention"),
    [
        (["absent"], "absent does not exist"),
        (["MODEL", "--model", "nothing"], "nothing"),
        (["MODEL", "--json", "--sarif"], "not both"),
    ],
)
def test_what_cannot_be_checked_ends_with_2(model: Path, ptb_here: Ptb, words: list[str], mention: str) -> None:
    assert_refused(ptb_here("check-submission", *(model if word == "MODEL" else word for word in words)), mention)


def test_an_unknown_architecture_needs_the_models_name(model: Path, ptb_here: Ptb) -> None:
    config(model, hidden_size=4096)
    assert_refused(ptb_here("check-submission", model), "--model")
