"""Reference packs give the verdicts of the checkpoints, and invalid packs are refused."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lineage_checkpoints import merged, plus, random_weights, write
from posttrainbench.audit.lineage import Checkpoint, compare
from posttrainbench.audit.lineage import LineageVerdict as Verdict
from posttrainbench.audit.lineage.pack import Pack, write_pack
from posttrainbench.audit.lineage.pair import ROWS, CheckpointPair, chosen_rows
from posttrainbench.untrusted import UnreadableError

BASE = random_weights(0, vocabulary=900)
INSTRUCT = plus(BASE, 1, 0.02) | {"extra.weight": np.ones((9, 9), np.float32)}
EMBEDDING = "model.embed_tokens.weight"
CANDIDATES = {
    "honest": (plus(BASE, 2, 0.02), "F32", Verdict.CLEAN),
    "honest in bf16": (plus(BASE, 2, 0.02), "BF16", Verdict.CLEAN),
    "base": (BASE, "F32", Verdict.BASE_UNCHANGED),
    "base in bf16": (BASE, "BF16", Verdict.BASE_UNCHANGED),
    "instruct": (INSTRUCT, "F32", Verdict.PROOF),
    "instruct in bf16": (INSTRUCT, "BF16", Verdict.PROOF),
    "merge": (merged(BASE, INSTRUCT, 0.2), "F32", Verdict.PROOF),
    "one matrix": (plus(BASE, 2, 0.02) | {EMBEDDING: INSTRUCT[EMBEDDING]}, "F32", Verdict.PROOF),
    "what only instruct has": (
        plus(BASE, 2, 0.02) | {"extra.weight": INSTRUCT["extra.weight"]},
        "F32",
        Verdict.PROOF,
    ),
    "vocabulary extended": (
        (longer := plus(BASE, 2, 0.02)) | {EMBEDDING: np.vstack([longer[EMBEDDING], np.ones((9, 48), np.float32)])},
        "F32",
        Verdict.CLEAN,
    ),
    "other weights": (random_weights(9, vocabulary=900), "F32", Verdict.NOT_BASE_DERIVED),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("pack")
    base = Checkpoint.open(write(root / "base", BASE), "base")
    against = Checkpoint.open(write(root / "instruct", INSTRUCT), "instruct")
    write_pack(base, against, root / "pack.safetensors")
    return root


@pytest.mark.parametrize("name", CANDIDATES)
def test_verdict_and_slopes_are_those_of_the_checkpoints(files: Path, tmp_path: Path, name: str) -> None:
    weights, dtype, tier = CANDIDATES[name]
    candidate = Checkpoint.open(write(tmp_path / "candidate", weights, dtype), "candidate")
    whole = compare(
        candidate,
        CheckpointPair(Checkpoint.open(files / "base", "base"), Checkpoint.open(files / "instruct", "instruct")),
    )
    packed = compare(candidate, Pack.open(files / "pack.safetensors"))
    assert (whole.verdict, packed.verdict) == (tier, tier), (whole.reasons, packed.reasons)
    assert packed.statistics.sampled
    assert packed.forbidden == "instruct"
    assert packed.statistics.slope == pytest.approx(whole.statistics.slope, abs=1e-6)
    assert packed.statistics.identical == whole.statistics.identical
    assert packed.statistics.rho == pytest.approx(whole.statistics.rho, abs=0.05)


def test_a_pack_is_a_small_plain_file(files: Path) -> None:
    safetensors = pytest.importorskip("safetensors.numpy")
    rows = safetensors.load_file(files / "pack.safetensors")
    chosen = chosen_rows(EMBEDDING, 900)
    assert len(chosen) == ROWS
    np.testing.assert_array_equal(rows[f"against.{EMBEDDING}"], INSTRUCT[EMBEDDING][chosen])
    np.testing.assert_array_equal(rows["base.model.norm.weight"][0], BASE["model.norm.weight"])
    assert (files / "pack.safetensors").stat().st_size < (files / "base" / "model.safetensors").stat().st_size


def test_a_changed_pack_is_refused(files: Path, tmp_path: Path) -> None:
    data = (files / "pack.safetensors").read_bytes()
    path = tmp_path / "pack"
    for place in (len(data) - 1, data.index(b"sha256") + 12, data.index(b"differing") + 13):
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        with pytest.raises(UnreadableError):
            Pack.open(path)
    path.write_bytes(data[:-5])
    with pytest.raises(UnreadableError, match="cut off"):
        Pack.open(path)
    path.write_bytes(data.replace(b'"version": "1"', b'"version": "7"'))
    with pytest.raises(UnreadableError, match="version 7"):
        Pack.open(path)
    with pytest.raises(UnreadableError, match="not a lineage pack"):
        Pack.open(files / "base" / "model.safetensors")


def forge(pack: Path, out: Path, change: Callable[[dict[str, Any], dict[str, Any]], None]) -> Path:
    """Write a pack with another header and other facts, but the right checksum."""
    data = pack.read_bytes()
    start = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:start])
    facts = json.loads(header["__metadata__"]["facts"])
    change(header, facts)
    text = json.dumps(facts)
    header["__metadata__"] |= {"facts": text, "sha256": hashlib.sha256(data[start:] + text.encode()).hexdigest()}
    encoded = json.dumps(header).encode()
    out.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data[start:])
    return out


def retype(header: dict[str, Any], facts: dict[str, Any]) -> None:
    tensor = header[f"base.{EMBEDDING}"]
    tensor["dtype"] = {"F32": "I32"}[tensor["dtype"]]


FORGERIES: dict[str, tuple[Callable[[dict[str, Any], dict[str, Any]], None], str]] = {
    "facts of another form": (lambda header, facts: facts.update(more=1), "`facts` is invalid"),
    "a negative count": (lambda header, facts: facts["tensors"][EMBEDDING].update(differing=-1), "`facts` is invalid"),
    "a tensor without rows": (
        lambda header, facts: facts["tensors"].update(x=facts["tensors"][EMBEDDING]),
        "rows of the tensor x are missing",
    ),
    "rows of another shape": (
        lambda header, facts: facts["tensors"][EMBEDDING].update(shape=[900, 47]),
        "missing or have the wrong shape",
    ),
    "fewer rows": (lambda header, facts: facts["tensors"][EMBEDDING].update(shape=[63, 48]), "missing or have"),
    "rows of another type": (retype, "not of a supported floating-point type"),
}


@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_pack_with_the_right_checksum_is_refused(files: Path, tmp_path: Path, name: str) -> None:
    change, message = FORGERIES[name]
    with pytest.raises(UnreadableError, match=message):
        Pack.open(forge(files / "pack.safetensors", tmp_path / "forged", change))


def test_a_pack_that_is_only_encoded_again_is_accepted(files: Path, tmp_path: Path) -> None:
    assert Pack.open(forge(files / "pack.safetensors", tmp_path / "same", lambda header, facts: None)).facts.base


def test_rows_are_chosen_by_name_and_in_order() -> None:
    assert chosen_rows("a", 10).tolist() == list(range(10))
    assert (np.diff(chosen_rows("a", 1000)) > 0).all()
    assert chosen_rows("a", 1000).tolist() != chosen_rows("b", 1000).tolist()
    assert chosen_rows("a", 1000).tolist() == chosen_rows("a", 1000).tolist()
