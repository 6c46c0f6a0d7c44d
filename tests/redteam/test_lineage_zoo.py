"""Verdicts on checkpoints of known descent that are trained here: no honest model is `proof`, no derivative is `clean`.

`lineage_zoo` gives the expected verdicts: copies, merges, splices, permutations, gentle and LoRA derivatives of the
instruct model are `proof`; other derivatives and other families are at least `suspect`.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

import lineage_zoo as zoo
from posttrainbench.audit.lineage import Checkpoint, Lineage, compare
from posttrainbench.audit.lineage import LineageVerdict as Verdict
from posttrainbench.audit.lineage.pack import Pack, write_pack
from posttrainbench.audit.lineage.pair import CheckpointPair, Pair

pytest.importorskip("torch")
pytestmark = [pytest.mark.slow, pytest.mark.training, pytest.mark.timeout(1200)]

RECIPES = zoo.recipes()
ALLOWED = {
    "honest": {Verdict.CLEAN, Verdict.SUSPECT, Verdict.BASE_UNCHANGED},
    "proof": {Verdict.PROOF},
    "suspect": {Verdict.PROOF, Verdict.NOT_BASE_DERIVED, Verdict.SUSPECT},
}
# An honest model may be suspect only where it was trained on the very data of the instruct model.
MAY_BE_SUSPECT = {recipe.name for recipe in RECIPES if recipe.training and recipe.training.how == "same_data"}


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    return zoo.build(tmp_path_factory.mktemp("zoo"), RECIPES)


@pytest.fixture(scope="session")
def pair() -> CheckpointPair:
    return CheckpointPair(Checkpoint.open(zoo.BASE, "micro-base"), Checkpoint.open(zoo.INSTRUCT, "micro-instruct"))


@pytest.fixture(scope="session")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    path = tmp_path_factory.mktemp("pack") / "micro.safetensors"
    write_pack(Checkpoint.open(zoo.BASE, "micro-base"), Checkpoint.open(zoo.INSTRUCT, "micro-instruct"), path)
    return Pack.open(path)


@pytest.fixture(scope="session")
def found(checkpoints: dict[str, Path], pair: CheckpointPair) -> Iterator[dict[str, Lineage]]:
    results = {name: judged(folder, pair) for name, folder in checkpoints.items()}
    yield results
    print("\n" + table(results))


def judged(folder: Path, pair: Pair) -> Lineage:
    return compare(Checkpoint.open(folder, folder.name), pair)


def table(results: dict[str, Lineage]) -> str:
    lines = [
        "| checkpoint | expected | verdict | equal to base | to instruct | identical | rho | slope | spread |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for recipe in RECIPES:
        one, facts = results[recipe.name], results[recipe.name].statistics
        spread = f"{facts.slope_spread:.3f}" if facts.slope_spread < 10 else "-"
        lines.append(
            f"| {recipe.name} | {recipe.expected} | {one.verdict.value} | {facts.share_base:.3f} | "
            f"{facts.share_forbidden:.3f} | {facts.identical} | {facts.rho:.3f} | {facts.slope:.3f} | {spread} |"
        )
    return "\n".join(lines)


def test_the_zoo_is_large_enough() -> None:
    assert len(RECIPES) == len({recipe.name for recipe in RECIPES}) >= 40
    assert {"honest", "proof", "suspect"} == {recipe.expected for recipe in RECIPES}


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_verdict(recipe: zoo.Recipe, found: dict[str, Lineage]) -> None:
    one = found[recipe.name]
    assert one.verdict in ALLOWED[recipe.expected], one.reasons
    if recipe.expected == "honest" and recipe.name not in MAY_BE_SUSPECT:
        assert one.verdict is Verdict.CLEAN, one.reasons


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda recipe: recipe.name)
def test_verdict_by_reference_pack(recipe: zoo.Recipe, checkpoints: dict[str, Path], pack: Pack) -> None:
    one = judged(checkpoints[recipe.name], pack)
    assert one.verdict in ALLOWED[recipe.expected], one.reasons


def test_verdicts_on_an_adapter(checkpoints: dict[str, Path], tmp_path: Path) -> None:
    """The adapter was trained on micro_calls: others on the same data are innocent."""
    from transformers import AutoConfig

    config, base = AutoConfig.from_pretrained(zoo.BASE), zoo.load(zoo.BASE)
    adapted, tuned = zoo.load(checkpoints["LoRA, merged"]), zoo.load(checkpoints["SFT on micro_math"])
    made = {
        "the adapter, bf16": (adapted, "bfloat16", {Verdict.PROOF}),
        "half of the adapter": ({n: (base[n] + adapted[n]) / 2 for n in base}, "float32", {Verdict.PROOF}),
        "the adapter added to an SFT": (
            {n: tuned[n] + adapted[n] - base[n] for n in base}, "float32", {Verdict.SUSPECT, Verdict.PROOF},
        ),
        "half of both": ({n: (tuned[n] + adapted[n]) / 2 for n in base}, "float32", {Verdict.SUSPECT, Verdict.PROOF}),
    }  # fmt: skip
    pair = CheckpointPair(Checkpoint.open(zoo.BASE, "micro-base"), Checkpoint.open(checkpoints["LoRA, merged"], "it"))
    for name, (weights, dtype, allowed) in made.items():
        zoo.save(tmp_path / name, weights, config, dtype)
        assert judged(tmp_path / name, pair).verdict in allowed, name
    for name in ("SFT on micro_calls", "SFT on micro_math", "LoRA of rank 32, merged, bf16"):
        assert judged(checkpoints[name], pair).verdict is Verdict.CLEAN, name
