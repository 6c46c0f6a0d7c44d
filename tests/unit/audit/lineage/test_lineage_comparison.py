"""Verdicts on synthetic weights with various names, shapes, types and file layouts."""

import json
from pathlib import Path

import numpy as np
import pytest

from lineage_checkpoints import Weights, merged, plus, random_weights, write
from posttrainbench.audit.lineage import Checkpoint, Lineage, compare, worst
from posttrainbench.audit.lineage import LineageVerdict as Verdict
from posttrainbench.audit.lineage.checkpoint import common_name
from posttrainbench.audit.lineage.pair import CheckpointPair
from posttrainbench.untrusted import UnreadableError

BASE = random_weights(0)
INSTRUCT = plus(BASE, 1, 0.02)
HONEST = plus(BASE, 2, 0.02)
EMBEDDING = "model.embed_tokens.weight"
UP = "model.layers.0.mlp.up_proj.weight"


@pytest.fixture
def pair(tmp_path: Path) -> CheckpointPair:
    return CheckpointPair(
        Checkpoint.open(write(tmp_path / "base", BASE), "base"),
        Checkpoint.open(write(tmp_path / "instruct", INSTRUCT), "instruct"),
    )


def check(pair: CheckpointPair, tmp_path: Path, weights: Weights, dtype: str = "F32", **how: int) -> Lineage:
    return compare(Checkpoint.open(write(tmp_path / "candidate", weights, dtype, **how), "candidate"), pair)


def renamed(weights: Weights, prefix: str) -> Weights:
    return {prefix + name: value for name, value in weights.items()}


CASES: dict[str, tuple[Weights, str, Verdict]] = {
    "base": (BASE, "F32", Verdict.BASE_UNCHANGED),
    "base in bf16": (BASE, "BF16", Verdict.BASE_UNCHANGED),
    "base in fp16": (BASE, "F16", Verdict.BASE_UNCHANGED),
    "base, wrapped": (renamed(BASE, "module._orig_mod."), "F32", Verdict.BASE_UNCHANGED),
    "base, output layer saved too": (BASE | {"lm_head.weight": BASE[EMBEDDING]}, "F32", Verdict.BASE_UNCHANGED),
    "honest": (HONEST, "F32", Verdict.CLEAN),
    "honest in bf16": (HONEST, "BF16", Verdict.CLEAN),
    "honest in fp16": (HONEST, "F16", Verdict.CLEAN),
    "honest, vocabulary extended": (
        HONEST | {EMBEDDING: np.vstack([HONEST[EMBEDDING], np.zeros((8, 48), np.float32)])}, "F32", Verdict.CLEAN,
    ),
    "instruct in bf16": (INSTRUCT, "BF16", Verdict.PROOF),
    "instruct in fp16": (INSTRUCT, "F16", Verdict.PROOF),
    "instruct under another prefix": (
        {name.replace("model.", "language_model.model.", 1): one for name, one in INSTRUCT.items()},
        "F32", Verdict.PROOF,
    ),
    "output layer of instruct": (HONEST | {"lm_head.weight": INSTRUCT[EMBEDDING]}, "F32", Verdict.PROOF),
    "one matrix of instruct": (HONEST | {UP: INSTRUCT[UP]}, "F32", Verdict.PROOF),
    "merge": (merged(BASE, INSTRUCT, 0.3), "F32", Verdict.PROOF),
    "merge in bf16": (merged(BASE, INSTRUCT, 0.3), "BF16", Verdict.PROOF),
    "merge of an honest model and instruct": (merged(HONEST, INSTRUCT, 0.5), "F32", Verdict.PROOF),
    "fine-tune of instruct": (plus(INSTRUCT, 3, 0.01), "F32", Verdict.PROOF),
    "base, turned": ({name: -value for name, value in BASE.items()}, "F32", Verdict.SUSPECT),
    "other weights": (random_weights(9), "F32", Verdict.NOT_BASE_DERIVED),
    "other width": (random_weights(9, width=32), "F32", Verdict.NOT_BASE_DERIVED),
    "other names": (renamed(HONEST, "x."), "F32", Verdict.NOT_BASE_DERIVED),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_verdict(pair: CheckpointPair, tmp_path: Path, name: str) -> None:
    weights, dtype, tier = CASES[name]
    found = check(pair, tmp_path, weights, dtype)
    assert found.verdict is tier, found.reasons
    assert found.reasons
    assert {tensor.name for tensor in found.tensors} == {common_name(one) for one in weights}


def test_statistics_of_a_merge_name_its_weight(pair: CheckpointPair, tmp_path: Path) -> None:
    facts = check(pair, tmp_path, merged(BASE, INSTRUCT, 0.3)).statistics
    assert facts.slope == pytest.approx(0.3, abs=1e-3)
    assert facts.alpha == pytest.approx(0.3, abs=1e-3)
    assert facts.rho == pytest.approx(1, abs=1e-4)
    assert facts.norm_base == pytest.approx(0.3 * 0.2, rel=0.05)  # instruct is 0.02 from a base of spread 0.1
    assert facts.norm_forbidden == pytest.approx(0.7 * 0.2, rel=0.05)
    assert {layer.layer for layer in facts.layers} == {-1, 0, 1}
    assert facts.elements == facts.compared == sum(value.size for value in BASE.values())


def test_a_spliced_layer_is_named_after_training(pair: CheckpointPair, tmp_path: Path) -> None:
    spliced = {name: INSTRUCT[name] if "layers.1." in name else value for name, value in BASE.items()}
    found = check(pair, tmp_path, plus(spliced, 4, 0.004))
    assert found.verdict is Verdict.PROOF
    assert any(reason.endswith("further: 1") for reason in found.reasons), found.reasons


def test_files_may_be_in_shards_and_begin_anywhere(pair: CheckpointPair, tmp_path: Path) -> None:
    assert check(pair, tmp_path / "a", merged(BASE, INSTRUCT, 0.5), shards=3).verdict is Verdict.PROOF
    for padding in (1, 2, 3):
        assert check(pair, tmp_path / str(padding), HONEST, "BF16", padding=padding).verdict is Verdict.CLEAN


@pytest.mark.parametrize("other", [2e-5, 2e-4, 2e-3])
@pytest.mark.parametrize("own", [2e-5, 2e-4, 2e-3])
def test_rounding_of_a_finer_base_proves_nothing(tmp_path: Path, own: float, other: float) -> None:
    """The base has 32 bits, the others 16 and little training: rounding the base appears in both differences."""
    pair = CheckpointPair(
        Checkpoint.open(write(tmp_path / "base", BASE), "base"),
        Checkpoint.open(write(tmp_path / "instruct", plus(BASE, 1, other), "BF16"), "instruct"),
    )
    found = check(pair, tmp_path, plus(BASE, 2, own), "BF16")
    assert found.verdict is Verdict.CLEAN, found.reasons
    assert found.statistics.slope < 0.02


def test_a_merged_adapter_is_told_from_a_training(pair: CheckpointPair, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)

    def adapted(weights: Weights) -> Weights:
        return {
            name: value + 0.01 * (rng.normal(size=(len(value), 4)) @ rng.normal(size=(4, value.shape[1]))).astype("f")
            if value.ndim == 2
            else value
            for name, value in weights.items()
        }

    honest = check(pair, tmp_path / "honest", adapted(BASE))
    assert honest.verdict is Verdict.CLEAN
    assert honest.statistics.rank_base < 0.2 < 0.5 < honest.statistics.rank_forbidden
    guilty = check(pair, tmp_path / "guilty", adapted(INSTRUCT))
    assert guilty.verdict is Verdict.PROOF
    assert any("adapter" in reason for reason in guilty.reasons)


@pytest.mark.parametrize(
    ("elements", "differing", "proves"), [(64, 64, True), (63, 63, False), (64, 8, True), (64, 7, False)]
)
def test_an_identical_tensor_must_be_large_and_differ_from_the_base(
    tmp_path: Path, elements: int, differing: int, proves: bool
) -> None:
    norm = "model.norm.weight"
    of_base, of_instruct = np.ones((2, elements), np.float32)
    of_instruct[:differing] = 2
    pair = CheckpointPair(
        Checkpoint.open(write(tmp_path / "base", BASE | {norm: of_base}), "base"),
        Checkpoint.open(write(tmp_path / "instruct", INSTRUCT | {norm: of_instruct}), "instruct"),
    )
    found = check(pair, tmp_path, HONEST | {norm: of_instruct})
    assert (found.statistics.identical, found.verdict) == ((1, Verdict.PROOF) if proves else (0, Verdict.CLEAN))


@pytest.mark.parametrize(("shape", "proves"), [((8, 8), True), ((7, 9), False)])
def test_a_tensor_that_only_instruct_has_must_be_large(tmp_path: Path, shape: tuple[int, int], proves: bool) -> None:
    extra = {"extra.weight": np.random.default_rng(0).normal(size=shape).astype(np.float32)}
    pair = CheckpointPair(
        Checkpoint.open(write(tmp_path / "base", BASE), "base"),
        Checkpoint.open(write(tmp_path / "instruct", INSTRUCT | extra), "instruct"),
    )
    found = check(pair, tmp_path, HONEST | extra)
    assert (found.statistics.identical, found.verdict) == ((1, Verdict.PROOF) if proves else (0, Verdict.CLEAN))


def test_nan_is_an_error(pair: CheckpointPair, tmp_path: Path) -> None:
    broken = HONEST | {UP: np.full_like(HONEST[UP], np.nan)}
    with pytest.raises(UnreadableError, match="NaN"):
        check(pair, tmp_path, broken)


def test_nothing_to_compare_is_an_error(pair: CheckpointPair, tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="no floating-point"):
        check(pair, tmp_path, {"a": np.ones((4, 4), np.int8)}, "I8")
    quantised = write(tmp_path / "quantised", HONEST)
    data = (quantised / "model.safetensors").read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    header[UP]["dtype"] = "I32"
    text = json.dumps(header).encode()
    (quantised / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data[start:])
    with pytest.raises(UnreadableError, match="of type I32"):
        compare(Checkpoint.open(quantised, "x"), pair)
    twin = Checkpoint.open(tmp_path / "base", "twin")
    with pytest.raises(UnreadableError, match="weights in which twin differs from the base"):
        compare(Checkpoint.open(write(tmp_path / "candidate", HONEST), "x"), CheckpointPair(twin, twin))


def test_hostile_files_are_refused(tmp_path: Path) -> None:
    twice = BASE | {"module." + UP: BASE[UP]}
    with pytest.raises(UnreadableError, match="twice"):
        Checkpoint.open(write(tmp_path / "twice", twice), "x")
    away = write(tmp_path / "away", BASE, shards=2)
    (away / "model.safetensors.index.json").write_text(json.dumps({"weight_map": {"a": "../base/model.safetensors"}}))
    with pytest.raises(UnreadableError, match="outside"):
        Checkpoint.open(away, "x")
    huge = tmp_path / "huge"
    huge.mkdir()
    text = json.dumps({"a": {"dtype": "F32", "shape": [2**59], "data_offsets": [0, 2**61]}}).encode()
    (huge / "model.safetensors").write_bytes(len(text).to_bytes(8, "little") + text)
    with pytest.raises(UnreadableError):
        Checkpoint.open(huge, "x")
    with pytest.raises(UnreadableError, match="neither"):
        Checkpoint.open(tmp_path, "x")


@pytest.mark.parametrize(
    ("name", "common"),
    [
        ("model.language_model.layers.0.mlp.up_proj.weight", UP),
        ("language_model.model.layers.0.mlp.up_proj.weight", UP),
        ("base_model.model.model.layers.0.mlp.up_proj.weight", UP),
        ("_orig_mod.module.model.layers.0.mlp.up_proj.weight", UP),
        ("language_model.lm_head.weight", "lm_head.weight"),
        ("vision_tower.layers.0.weight", "vision_tower.layers.0.weight"),
    ],
)
def test_prefixes_are_no_part_of_a_name(name: str, common: str) -> None:
    assert common_name(name) == common


def test_the_worst_of_several_counts(pair: CheckpointPair, tmp_path: Path) -> None:
    clean = check(pair, tmp_path / "a", HONEST)
    proof = check(pair, tmp_path / "b", INSTRUCT)
    assert worst([clean, proof, clean]) is proof
