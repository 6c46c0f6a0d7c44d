"""`examine` returns a decision for whatever lies in `final_model`, and what it accepts can be loaded."""

import copy
import json
import random
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open

from checkpoints import CONFIG, TOKENIZER, plus, random_weights, safetensors, write_model, write_shards
from posttrainbench.submission.canonical import SINGLE, examine, write
from posttrainbench.submission.sanitize import manifest_of
from posttrainbench.submission.tensors import INDEX
from support import examples

BASE = random_weights(0)
WEIGHTS = safetensors(plus(BASE, 1, 0.02))
HEADER_END = 8 + int.from_bytes(WEIGHTS[:8], "little")
HEADER: dict[str, Any] = json.loads(WEIGHTS[8:HEADER_END])
DECODING = {"do_sample": True, "temperature": 0.6, "eos_token_id": [0, 2], "top_k": 20}
SHARDS = ("model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors")
WEIGHT_MAP = {"metadata": {"total_size": 1}, "weight_map": dict.fromkeys(BASE, SHARDS[0])}
ADDED = {"id": 2, "content": "<x>", "special": True, "lstrip": False, "normalized": False}
VALID: dict[str, Any] = {
    "config.json": CONFIG | {"text_config": {"vocab_size": 40}, "rope_parameters": {"rope_type": "default"}},
    "generation_config.json": DECODING,
    "tokenizer.json": TOKENIZER | {"added_tokens": [ADDED]},
    "tokenizer_config.json": {"chat_template": "x", "added_tokens_decoder": {"0": ADDED}},
    INDEX: WEIGHT_MAP,
}

KEYS = st.one_of(
    st.text(max_size=5),
    st.sampled_from(
        "text_config rope_parameters vocab_size eos_token_id model_type architectures layer_types auto_map weight_map "
        "added_tokens content id model vocab merges rope_type tie_word_embeddings quantization_config".split()
    ),
)
SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 50), st.integers(), st.floats(), st.text(max_size=8),
    st.sampled_from([10**400, 2**63, -(2**63), 1e308, "\ud800", "\x00", "gemma3", "model.safetensors", *SHARDS]),
)  # fmt: skip
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4), max_leaves=8
)


def text_of(value: Any) -> bytes:
    return json.dumps(value).encode("utf-8", "surrogatepass")


def mutated(value: Any, choose: random.Random, replacement: Any) -> Any:
    """A copy of a JSON value in which one place at any depth is replaced, deleted, renamed or repeated."""
    whole = [copy.deepcopy(value)]
    parent, key = whole, 0
    while isinstance(parent[key], dict | list) and parent[key] and choose.random() < 0.8:
        parent = parent[key]
        key = choose.choice(list(parent)) if isinstance(parent, dict) else choose.randrange(len(parent))
    action = choose.randrange(4)
    if action == 0 and parent is not whole:
        del parent[key]
    elif action == 1 and isinstance(parent, dict):
        parent[str(replacement)[:50]] = parent[key]
    elif action == 2 and isinstance(parent, list):
        parent.append(parent[key])
    else:
        parent[key] = replacement
    return whole[0] if whole else replacement


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_model(tmp_path_factory.mktemp("model") / "base", BASE)


@pytest.fixture(scope="module")
def final(base: Path) -> Path:
    return write_model(base.parent / "final_model", BASE)


def check(final: Path, base: Path) -> str:
    """Examine, and if accepted write the canonical form and load it with the library that engines use."""
    examination = examine(final, base)
    manifest = manifest_of(examination)
    manifest.model_dump_json()
    assert all(text.isprintable() for text in [*manifest.problems, *manifest.facts])
    assert (examination.plan is not None) is (examination.state == "accepted") is (not examination.problems)
    if examination.plan is not None:
        out = base.parent / "canonical"
        shutil.rmtree(out, ignore_errors=True)
        out.mkdir()
        write(examination.plan, out, list)
        names: set[str] = set()
        for path in out.glob("*.safetensors"):
            with safe_open(path, "np") as file:
                names |= set(file.keys())
                assert all(file.get_tensor(name).size for name in names & set(file.keys()))
        assert names == BASE.keys()
        for path in out.glob("*.json"):
            json.loads(path.read_bytes())
    return examination.state


def fill(final: Path, contents: dict[str, bytes]) -> None:
    for path in final.iterdir():
        path.unlink()
    good = {name: text_of(VALID[name]) for name in ("config.json", "tokenizer.json")} | {SINGLE: WEIGHTS}
    if INDEX in contents:
        write_shards(final, BASE)
        del good[SINGLE]
    for name, data in (good | contents).items():
        (final / name).write_bytes(data)


FUZZ = settings(max_examples=examples(500), suppress_health_check=list(HealthCheck))


@FUZZ
@given(name=st.sampled_from(list(VALID)), value=VALUES, choose=st.randoms(use_true_random=False), whole=st.booleans())
@pytest.mark.slow
def test_any_json(base: Path, final: Path, name: str, value: Any, choose: random.Random, whole: bool) -> None:
    fill(final, {name: text_of(value if whole else mutated(VALID[name], choose, value))})
    check(final, base)


@FUZZ
@given(name=st.sampled_from(list(VALID)), choose=st.randoms(use_true_random=False), data=st.binary(max_size=8))
@pytest.mark.slow
def test_any_bytes(base: Path, final: Path, name: str, choose: random.Random, data: bytes) -> None:
    text = text_of(VALID[name])
    at = choose.randrange(len(text))
    fill(final, {name: text[:at] + data + text[at + choose.randrange(9) :]})
    check(final, base)


@FUZZ
@given(value=VALUES, choose=st.randoms(use_true_random=False), data=st.binary(max_size=40))
@pytest.mark.slow
def test_any_header(base: Path, final: Path, value: Any, choose: random.Random, data: bytes) -> None:
    text = text_of(mutated(HEADER, choose, value))
    text += b" " * (-len(text) % 8)
    length = len(text) + (choose.randrange(-9, 9) if choose.random() < 0.1 else 0)
    fill(final, {SINGLE: length.to_bytes(8, "little", signed=length < 0) + text + WEIGHTS[HEADER_END:] + data[20:]})
    check(final, base)


@FUZZ
@given(choose=st.randoms(use_true_random=False), data=st.binary(max_size=8))
@pytest.mark.slow
def test_damaged_weights(base: Path, final: Path, choose: random.Random, data: bytes) -> None:
    at = choose.randrange(HEADER_END) if choose.random() < 0.7 else choose.randrange(len(WEIGHTS))
    fill(final, {SINGLE: WEIGHTS[:at] + data + WEIGHTS[at + choose.choice([0, len(data), len(data), 3]) :]})
    check(final, base)


@pytest.mark.parametrize(
    ("old", "new", "state"),
    [
        ('"data_offsets": [0,', '"data_offsets": [-0,', "broken"),
        ('{"format": "pt"}', '{"format": "pt", "x": "-0 \\ud800"}', "accepted"),
        ('{"format": "pt"}', '{"format": "pt", "\\udfff": ""}', "accepted"),
        ('{"format": "pt"}', '{"format": "pt", "x": "-0 \\u0000"}', "accepted"),
        ('"model.norm.weight"', '"model.\\u006eorm.weight"', "accepted"),
        ('{"__metadata__"', '\n\t {"__metadata__"', "accepted"),
    ],
)
def test_headers_that_parsers_read_differently(base: Path, final: Path, old: str, new: str, state: str) -> None:
    text = WEIGHTS[8:HEADER_END].decode()
    assert old in text
    changed = text.replace(old, new, 1).encode()
    fill(final, {SINGLE: len(changed).to_bytes(8, "little") + changed + WEIGHTS[HEADER_END:]})
    assert check(final, base) == state


def test_the_fuzz_tests_start_from_accepted_submissions(base: Path, final: Path) -> None:
    """Otherwise they would not get past the first check."""
    fill(final, {})
    assert check(final, base) == "accepted"
    fill(final, {INDEX: (write_shards(base.parent / "shards", BASE), (base.parent / "shards" / INDEX).read_bytes())[1]})
    assert check(final, base) == "accepted"
