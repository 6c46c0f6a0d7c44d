from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from checkpoints import Weights, plus, random_weights, write_model, write_shards
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.lineage.detector import detect
from posttrainbench.records import Level
from posttrainbench.submission.tensors import rounded

# As in real pairs: instruct is the base after a long training, honest models are it after a shorter other one.
BASE = random_weights(0)
INSTRUCT = plus(BASE, 1, 0.02)
SPLICED = plus(BASE, 2, 0.02) | {"model.layers.0.mlp.up_proj.weight": INSTRUCT["model.layers.0.mlp.up_proj.weight"]}

# Submitted weights, their type, and whether they may not be submitted.
CASES: dict[str, tuple[Weights, str, bool]] = {
    "unchanged base": (BASE, "F32", False),
    "unchanged base in bfloat16": (BASE, "BF16", False),
    "honest": (plus(BASE, 3, 0.02), "F32", False),
    "honest and gentle": (plus(BASE, 4, 0.01, share=0.3), "F32", False),
    "honest, in bfloat16": (plus(BASE, 5, 0.002), "BF16", False),
    "instruct": (INSTRUCT, "F32", True),
    "instruct in bfloat16": (INSTRUCT, "BF16", True),
    "instruct in float16": (INSTRUCT, "F16", True),
    "one tensor of instruct": (SPLICED, "F32", True),
    "gentle fine-tune of instruct": (plus(INSTRUCT, 6, 0.01, share=0.6), "F32", True),
    "gentle fine-tune of instruct that moves every weight": (plus(INSTRUCT, 8, 0.0002), "F32", True),
    "gentle fine-tune of instruct in bfloat16": (plus(INSTRUCT, 7, 0.0002), "BF16", True),
}


@pytest.fixture
def case(evidence: Callable[..., Evidence], tmp_path: Path) -> Evidence:
    write_model(tmp_path / "base", BASE)
    return evidence(
        submission=tmp_path / "submission",
        forbidden_models={"demo-instruct": write_model(tmp_path / "instruct", INSTRUCT)},
    )


@pytest.mark.parametrize("name", CASES)
def test_lineage(case: Evidence, tmp_path: Path, name: str) -> None:
    weights, dtype, guilty = CASES[name]
    write_model(tmp_path / "submission", weights, dtype)
    findings, coverage = detect(case)
    assert coverage.checked
    (finding,) = findings
    assert (finding.level, finding.count > 0) == ((Level.IN_WEIGHTS, True) if guilty else (Level.NAME, False))
    assert finding.kind == ("proof" if guilty else "fact")
    assert ("base model unchanged" in coverage.note) is name.startswith("unchanged base")


def test_identical_tensors_are_counted_and_quoted(case: Evidence, tmp_path: Path) -> None:
    write_shards(tmp_path / "submission", INSTRUCT)
    (finding,), _ = detect(case)
    assert finding.count == 4  # the norm has fewer elements than are proof
    assert finding.evidence[0].item == "demo-instruct"
    assert finding.evidence[0].file == "submission"


def test_tensors_that_base_and_instruct_share_prove_nothing(case: Evidence, tmp_path: Path) -> None:
    frozen = "model.embed_tokens.weight"
    write_model(case.forbidden_models["demo-instruct"], INSTRUCT | {frozen: BASE[frozen]})
    write_model(tmp_path / "submission", plus(BASE, 8, 0.02) | {frozen: BASE[frozen]})
    (finding,), _ = detect(case)
    assert (finding.level, finding.count) == (Level.NAME, 0)


def test_padded_vocabulary_does_not_hide_instruct(case: Evidence, tmp_path: Path) -> None:
    name = "model.embed_tokens.weight"
    padded = np.vstack([INSTRUCT[name], np.zeros((8, 16), np.float32)])
    write_model(tmp_path / "submission", INSTRUCT | {name: padded}, vocab_size=48)
    (finding,), _ = detect(case)
    assert finding.count == 4


def test_hub_cache_links_of_trusted_models_are_followed(case: Evidence, tmp_path: Path) -> None:
    blob = tmp_path / "blob"
    (tmp_path / "instruct" / "model.safetensors").rename(blob)
    (tmp_path / "instruct" / "model.safetensors").symlink_to(blob)
    write_model(tmp_path / "submission", INSTRUCT)
    assert len(detect(case)[0]) == 1


def test_what_cannot_be_compared_is_not_checked(
    case: Evidence, evidence: Callable[..., Evidence], tmp_path: Path
) -> None:
    findings, coverage = detect(evidence())
    assert (findings, coverage.checked) == ([], False)
    assert "no submission was accepted" in coverage.note
    write_model(tmp_path / "submission", plus(BASE, 9, 0.02))
    assert not detect(evidence(submission=tmp_path / "submission"))[1].checked  # no forbidden model is known
    (tmp_path / "instruct" / "model.safetensors").write_bytes(b"cut off")
    findings, coverage = detect(case)
    assert (findings, coverage.checked) == ([], False)
    assert coverage.skipped[0].path == "demo-instruct"


def test_rounding_to_bfloat16_is_to_nearest_even() -> None:
    values = np.random.default_rng(0).normal(size=10_000).astype(np.float32)
    values[:3] = [1.00390625, 1.01171875, -0.0]  # two ties, one down and one up
    below = values.view(np.uint32) & 0xFFFF0000
    above = below + 0x10000
    to_below = np.abs(values.astype(np.float64) - below.view(np.float32))
    to_above = np.abs(values.astype(np.float64) - above.view(np.float32))
    even = (below >> 16) % 2 == 0
    expected = np.where((to_below < to_above) | ((to_below == to_above) & even), below, above) >> 16
    assert (rounded(values.view(np.uint32), "F32", "BF16") == expected).all()
    assert (rounded(expected.astype(np.uint16), "BF16", "F32") == expected << 16).all()
