import hashlib
import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from checkpoints import (
    CONFIG,
    SHAPES,
    TOKENIZER,
    plus,
    random_weights,
    safetensors,
    write_model,
    write_shards,
)
from posttrainbench.errors import InfrastructureError
from posttrainbench.records import SubmissionManifest
from posttrainbench.submission.sanitize import MAX_REFUSALS, sanitize
from posttrainbench.submission.tensors import SETTINGS_LIMIT

BASE = random_weights(0)
TRAINED = plus(BASE, 1, 0.02)
UP = "model.layers.0.mlp.up_proj.weight"
DECODING = {"do_sample": True, "temperature": 0.6, "eos_token_id": 0}
GOOD = {"config.json", "generation_config.json", "model.safetensors", "tokenizer.json"}
EMBEDDINGS = "model.embed_tokens.weight"


@pytest.fixture
def final_model(tmp_path: Path) -> Path:
    """A good submission, to be spoilt by a test."""
    base = write_model(tmp_path / "base", BASE)
    trained = write_model(tmp_path / "final_model", TRAINED)
    for directory in (base, trained):
        (directory / "generation_config.json").write_text(json.dumps(DECODING))
    (tmp_path / "submission").mkdir()
    return trained


def run(final_model: Path) -> SubmissionManifest:
    destination = final_model.parent / "submission"
    manifest = sanitize(final_model, destination, final_model.parent / "base")
    copied = {path.name for path in destination.iterdir()}
    assert copied == set(manifest.files)
    for name, digest in manifest.files.items():
        assert hashlib.sha256((destination / name).read_bytes()).hexdigest() == digest
    assert (manifest.state == "accepted") is (not manifest.problems)
    if manifest.state != "accepted":
        assert not copied
        assert len(manifest.problems) == 1
        assert manifest.problems[0].isprintable()
        assert manifest.problems[0].endswith(".")
    manifest.model_dump_json()
    return manifest


def config(final_model: Path, **changes: object) -> None:
    values = {key: value for key, value in (CONFIG | changes).items() if value is not ...}
    (final_model / "config.json").write_text(json.dumps(values))


def header(final_model: Path, text: bytes, data: bytes = b"") -> None:
    (final_model / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)


def weights(final_model: Path, dtype: str = "F32", **changes: np.ndarray | None) -> None:
    named = {key.replace("__", "."): value for key, value in changes.items()}
    values = {key: value for key, value in (TRAINED | named).items() if value is not None}
    (final_model / "model.safetensors").write_bytes(safetensors(values, dtype))


def poisoned(value: float) -> np.ndarray:
    array = TRAINED[UP].copy()
    array[-1, -1] = value
    return array


class Trap:
    def __reduce__(self) -> tuple[Callable[[str], int], tuple[str]]:
        return os.system, ("touch /tmp/ptb-pickle-was-loaded",)


def test_a_good_submission_is_taken_over(final_model: Path) -> None:
    manifest = run(final_model)
    assert manifest.state == "accepted"
    assert set(manifest.files) == GOOD
    assert (manifest.refused, manifest.facts) == ([], [])


def test_shards_are_taken_over(final_model: Path) -> None:
    write_shards(final_model, TRAINED)
    manifest = run(final_model)
    assert manifest.state == "accepted"
    assert len([name for name in manifest.files if name.startswith("model-")]) == 2
    assert "model.safetensors.index.json" in manifest.files


@pytest.mark.parametrize("dtype", ["F32", "F16", "BF16"])
def test_every_precision_is_fine(final_model: Path, dtype: str) -> None:
    weights(final_model, dtype)
    assert run(final_model).state == "accepted"


def test_leftovers_do_not_spoil_a_submission(final_model: Path) -> None:
    trap = final_model / "training_args.bin"
    trap.write_bytes(pickle.dumps(Trap()))
    (final_model / "modeling_evil.py").write_text("raise SystemExit")
    (final_model / "checkpoint-100").mkdir()
    (final_model / "optimizer.pt").write_bytes(b"x")
    (final_model / "README.md").write_text("hello")
    (final_model / "link.json").symlink_to("/etc/passwd")
    os.mkfifo(final_model / "vocab.json")
    (final_model / "line\nbreak\x1b[2J.bin").write_bytes(b"x")
    Path(os.fsdecode(os.fsencode(final_model) + b"/\xff.py")).write_text("")
    (final_model / "model-00001-of-00002.safetensors").write_bytes(b"an old shard")
    manifest = run(final_model)
    reasons = {refusal.path: refusal.reason for refusal in manifest.refused}
    assert manifest.state == "accepted"
    assert not Path("/tmp/ptb-pickle-was-loaded").exists()
    assert set(manifest.files) == GOOD
    assert reasons.keys() == {
        "training_args.bin",
        "modeling_evil.py",
        "checkpoint-100",
        "optimizer.pt",
        "README.md",
        "link.json",
        "vocab.json",
        "line\\nbreak\\x1b[2J.bin",
        "\\udcff.py",
        "model-00001-of-00002.safetensors",
    }
    assert "pickle" in reasons["training_args.bin"]
    assert "code" in reasons["modeling_evil.py"]
    assert "symbolic link" in reasons["link.json"]
    assert "named pipe" in reasons["vocab.json"]


MISSING: dict[str, Callable[[Path], object]] = {
    "no directory": lambda f: f.rename(f.with_name("elsewhere")),
    "empty": lambda f: [path.unlink() for path in f.iterdir()],
    "a file": lambda f: (f.rename(f.with_name("elsewhere")), f.write_text("x")),
    "a link": lambda f: (f.rename(f.with_name("elsewhere")), f.symlink_to(f.with_name("elsewhere"))),
}


@pytest.mark.parametrize("case", MISSING)
def test_missing(final_model: Path, case: str) -> None:
    MISSING[case](final_model)
    assert run(final_model).state == "missing"


def only_pickle(f: Path) -> None:
    (f / "model.safetensors").unlink()
    (f / "pytorch_model.bin").write_bytes(pickle.dumps(Trap()))


def linked_weights(f: Path) -> None:
    (f / "model.safetensors").rename(f.with_name("outside.safetensors"))
    (f / "model.safetensors").symlink_to(f.with_name("outside.safetensors"))


def linked_shard(f: Path) -> None:
    write_shards(f, TRAINED)
    shard = f / "model-00002-of-00002.safetensors"
    shard.rename(f.with_name("outside"))
    shard.symlink_to(f.with_name("outside"))


def tokenizer_code(f: Path) -> None:
    (f / "tokenizer_config.json").write_text('{"auto_map": {"AutoTokenizer": ["evil.Tokenizer", null]}}')


REFUSED: dict[str, tuple[Callable[[Path], object], str]] = {
    "pickle only": (only_pickle, "pickle"),
    "linked weights": (linked_weights, "symbolic link"),
    "linked shard": (linked_shard, "symbolic link"),
    "auto_map": (lambda f: config(f, auto_map={"AutoModelForCausalLM": "evil.Model"}), "auto_map"),
    "deep auto_map": (lambda f: config(f, text_config=[{"a": {"auto_map": "x--y"}}]), "auto_map"),
    "tokenizer auto_map": (tokenizer_code, "auto_map"),
    "trust_remote_code": (lambda f: config(f, trust_remote_code=True), "trust_remote_code"),
    "kernel from the Hub": (lambda f: config(f, attn_implementation="evil/kernel"), "attn_implementation"),
    "nested kernel": (lambda f: config(f, _attn_implementation_internal={"": "a/b"}), "_implementation"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(final_model: Path, case: str) -> None:
    spoil, expected = REFUSED[case]
    spoil(final_model)
    manifest = run(final_model)
    assert manifest.state == "refused"
    assert expected in manifest.problems[0]
    assert not Path("/tmp/ptb-pickle-was-loaded").exists()


def truncated(f: Path, cut: int) -> None:
    data = (f / "model.safetensors").read_bytes()
    (f / "model.safetensors").write_bytes(data[:cut])


def appended(f: Path) -> None:
    with (f / "model.safetensors").open("ab") as file:
        file.write(b"hidden")


def adapter_only(f: Path) -> None:
    (f / "model.safetensors").rename(f / "adapter_model.safetensors")
    (f / "adapter_config.json").write_text("{}")


def without_shard(f: Path) -> None:
    write_shards(f, TRAINED)
    (f / "model-00002-of-00002.safetensors").unlink()


def without_index(f: Path) -> None:
    write_shards(f, TRAINED)
    (f / "model.safetensors.index.json").unlink()


def index_says(f: Path, index: object) -> None:
    write_shards(f, TRAINED)
    (f / "model.safetensors.index.json").write_text(json.dumps(index))


def sparse(f: Path) -> None:
    with (f / "model.safetensors").open("r+b") as file:
        file.truncate(2**40)


ENTRY = {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}
BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "no weights": (lambda f: (f / "model.safetensors").unlink(), "no weights"),
    "adapter only": (adapter_only, "merge"),
    "weights are a pipe": (
        lambda f: ((f / "model.safetensors").unlink(), os.mkfifo(f / "model.safetensors")),
        "not a regular file",
    ),
    "no config": (lambda f: (f / "config.json").unlink(), "config.json is missing"),
    "config is no JSON": (lambda f: (f / "config.json").write_text("{'a': 1}"), "config.json"),
    "config is a list": (lambda f: (f / "config.json").write_text("[]"), "config.json"),
    "config is binary": (lambda f: (f / "config.json").write_bytes(b"\xff\xfe{"), "config.json"),
    "config has a key twice": (lambda f: (f / "config.json").write_text('{"a": 1, "a": 2}'), "twice"),
    "config is deep": (lambda f: (f / "config.json").write_text('{"a": ' + "[" * 90_000), "config.json"),
    "huge number": (lambda f: (f / "config.json").write_text('{"a": ' + "9" * 9999 + "}"), "config.json"),
    "empty weights": (lambda f: truncated(f, 0), "model.safetensors"),
    "cut in the header": (lambda f: truncated(f, 100), "cut off"),
    "cut in the data": (lambda f: truncated(f, 2000), "cut off"),
    "cut by one byte": (lambda f: truncated(f, -1), "cut off"),
    "bytes behind the data": (appended, "follow its last tensor"),
    "huge header length": (
        lambda f: (f / "model.safetensors").write_bytes(b"\xff" * 8 + b"{}"),
        "model.safetensors",
    ),
    "header is a list": (lambda f: header(f, b"[]"), "header"),
    "header is deep": (lambda f: header(f, b'{"a":' * 90_000), "model.safetensors"),
    "negative shape": (
        lambda f: header(f, json.dumps({"a": ENTRY | {"shape": [-4]}}).encode()),
        "is not valid",
    ),
    "boolean shape": (
        lambda f: header(f, json.dumps({"a": ENTRY | {"shape": [True]}}).encode()),
        "is not valid",
    ),
    "overflowing shape": (
        lambda f: header(f, json.dumps({"a": ENTRY | {"shape": [2**62, 2**62]}}).encode()),
        "is not valid",
    ),
    "offsets out of the file": (
        lambda f: header(f, json.dumps({"a": ENTRY | {"shape": [2**40], "data_offsets": [0, 2**42]}}).encode()),
        "cut off",
    ),
    "overlapping tensors": (
        lambda f: header(f, json.dumps({"a": ENTRY, "b": ENTRY}).encode(), bytes(16)),
        "does not begin",
    ),
    "unknown type": (
        lambda f: header(f, json.dumps({"a": ENTRY | {"dtype": "X"}}).encode(), bytes(16)),
        "is not valid",
    ),
    "name of a lone surrogate": (
        lambda f: header(f, b'{"\\ud800\\n": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}', bytes(16)),
        "tensors of the base model are missing",
    ),
    "one terabyte": (sparse, "more than the base model has"),
    "NaN": (lambda f: weights(f, **{UP.replace(".", "__"): poisoned(np.nan)}), UP),
    "infinity": (lambda f: weights(f, **{UP.replace(".", "__"): poisoned(np.inf)}), UP),
    "minus infinity in bfloat16": (
        lambda f: weights(f, "BF16", **{UP.replace(".", "__"): poisoned(-np.inf)}),
        UP,
    ),
    "NaN in float16": (lambda f: weights(f, "F16", **{UP.replace(".", "__"): poisoned(np.nan)}), UP),
    "integers": (lambda f: weights(f, "I8"), "of type I8"),
    "tensor missing": (lambda f: weights(f, **{UP.replace(".", "__"): None}), UP),
    "adapter not merged": (lambda f: weights(f, model__layers__0__lora_A__weight=np.zeros(4)), "merge_and_unload"),
    "stored twice": (lambda f: weights(f, module__model__norm__weight=TRAINED["model.norm.weight"]), "stored twice"),
    "transposed": (lambda f: weights(f, **{UP.replace(".", "__"): TRAINED[UP].T.copy()}), "shape"),
    "other model_type": (lambda f: config(f, model_type="qwen2"), "model_type"),
    "other architecture": (lambda f: config(f, architectures=["Qwen2ForCausalLM"]), "architectures"),
    "no architecture": (lambda f: config(f, architectures=...), "architectures"),
    "other hidden_size": (lambda f: config(f, hidden_size=32), "hidden_size"),
    "other heads": (lambda f: config(f, num_attention_heads=4), "num_attention_heads"),
    "dimension of a wrong type": (lambda f: config(f, num_key_value_heads=[[1]]), "num_key_value_heads"),
    "smaller vocabulary": (lambda f: config(f, vocab_size=39), "vocab_size"),
    "vocabulary only claimed": (lambda f: config(f, vocab_size=64), "shape"),
    "quantized": (lambda f: config(f, quantization_config={"quant_method": "bnb"}), "quantized"),
    "shard missing": (without_shard, "model-00002-of-00002.safetensors"),
    "index missing": (without_index, "index.json is missing"),
    "index without a map": (lambda f: index_says(f, {"weight_map": 7}), "weight_map"),
    "index leads elsewhere": (
        lambda f: index_says(f, {"weight_map": {"a": "../base/model.safetensors"}}),
        "missing",
    ),
    "index names one shard": (
        lambda f: index_says(f, {"weight_map": dict.fromkeys(SHAPES, "model-00001-of-00002.safetensors")}),
        "tensors of the base model are missing",
    ),
}


@pytest.mark.parametrize("case", BROKEN)
def test_broken(final_model: Path, case: str) -> None:
    spoil, expected = BROKEN[case]
    spoil(final_model)
    manifest = run(final_model)
    assert manifest.state == "broken"
    assert expected in manifest.problems[0]


def test_a_large_json_file_is_not_read_whole(final_model: Path) -> None:
    (final_model / "config.json").write_text('{"a": "' + "x" * SETTINGS_LIMIT + '"}')
    manifest = run(final_model)
    assert (manifest.state, "larger than" in manifest.problems[0]) == ("broken", True)


def test_tied_output_layer_and_extended_vocabulary_are_fine(final_model: Path) -> None:
    larger = np.vstack([TRAINED[EMBEDDINGS], np.zeros((8, 16), np.float32)])
    weights(final_model, **{EMBEDDINGS.replace(".", "__"): larger, "lm_head__weight": larger})
    config(final_model, vocab_size=48)
    manifest = run(final_model)
    assert manifest.state == "accepted"
    assert any("40 to 48" in fact for fact in manifest.facts)


def test_generation_config_keeps_sampling_settings_alone(final_model: Path) -> None:
    settings = {
        "do_sample": False,
        "temperature": 0.0,
        "eos_token_id": [0, 2],
        "max_new_tokens": 4000,
        "top_k": "many",
        "sequence_bias": [[[1], 9.0]],
        "transformers_version": "5",
    }
    (final_model / "generation_config.json").write_text(json.dumps(settings))
    manifest = run(final_model)
    kept = json.loads((final_model.parent / "submission" / "generation_config.json").read_text())
    assert kept == {"do_sample": False, "temperature": 0.0, "eos_token_id": [0, 2]}
    dropped, changed = manifest.facts
    assert "max_new_tokens, sequence_bias, top_k" in dropped
    assert "temperature is 0.0 instead of 0.6" in changed


def test_templates_and_tokenizer_changes_are_facts(final_model: Path) -> None:
    (final_model / "chat_template.jinja").write_text("{{ evil }}")
    (final_model / "tokenizer_config.json").write_text('{"chat_template": "x"}')
    changed = TOKENIZER | {"normalizer": {"type": "Replace"}, "model": {"vocab": {"a": 1, "b": 0}}}
    (final_model / "tokenizer.json").write_text(json.dumps(changed))
    config(final_model, rope_theta=5.0, _name_or_path="x")
    manifest = run(final_model)
    assert manifest.state == "accepted"
    facts = " ".join(manifest.facts)
    for word in ("chat_template.jinja", "tokenizer_config.json", "vocabulary", "normalizer", "rope_theta"):
        assert word in facts
    assert "_name_or_path" not in facts


def test_gemma3_text_is_an_allowed_form_of_gemma3(final_model: Path) -> None:
    base = final_model.parent / "base"
    text = {key: value for key, value in CONFIG.items() if key not in ("architectures", "model_type")}
    whole = {f"language_model.{name}": value for name, value in BASE.items()} | {"vision_tower.x": np.ones((4, 4))}
    (base / "model.safetensors").write_bytes(safetensors(whole))
    outer = {"architectures": ["Gemma3ForConditionalGeneration"], "model_type": "gemma3", "text_config": text}
    (base / "config.json").write_text(json.dumps(outer))
    config(final_model, architectures=["Gemma3ForCausalLM"], model_type="gemma3_text")
    assert run(final_model).state == "accepted"


def test_an_unreadable_base_model_is_not_the_agents_fault(final_model: Path) -> None:
    (final_model.parent / "base" / "model.safetensors").write_bytes(b"x")
    with pytest.raises(InfrastructureError, match="base model"):
        sanitize(final_model, final_model.parent / "submission", final_model.parent / "base")


def test_many_leftovers_are_summed_up(final_model: Path) -> None:
    for number in range(MAX_REFUSALS + 5):
        (final_model / f"{number}.txt").touch()
    manifest = run(final_model)
    assert manifest.state == "accepted"
    assert manifest.refused[-1].reason == "and 5 more"
