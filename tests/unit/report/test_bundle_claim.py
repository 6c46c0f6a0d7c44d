"""`ptb reproduce` takes from a bundle what defines the run, and nothing that acts on this machine."""

import json
from pathlib import Path
from typing import Any

import pytest
from bundle_runs import PROOF, build_run, edit

from posttrainbench.errors import InputError
from posttrainbench.launch.experiment import resolve
from posttrainbench.report.bundle.claim import Claim, experiment_of, read_claim
from posttrainbench.report.bundle.export import export


def claim_of(root: Path, tmp_path: Path, run: str | None = None) -> Claim:
    export(root, tmp_path / "b.tar.zst", ())
    return read_claim(tmp_path / "b.tar.zst", run)


def test_the_claim_of_a_reset_run_is_the_score_of_its_submission(tmp_path: Path) -> None:
    claim = claim_of(build_run(tmp_path / "one", findings=(PROOF,), score=0.4).root, tmp_path)
    assert (claim.score, claim.items, claim.seeds, claim.problems) == (0.4, 10, [0], [])


def test_fresh_seeds_are_those_that_the_bundle_does_not_have(tmp_path: Path) -> None:
    for seed in (0, 4):
        build_run(tmp_path / "runs" / f"seed{seed}", seed=seed)
    with pytest.raises(InputError, match="contains 2 runs; choose one with --run, such as --run seed0"):
        claim_of(tmp_path / "runs", tmp_path)
    claim = read_claim(tmp_path / "b.tar.zst", "seed0")
    assert experiment_of(claim, "again", 3)["seeds"] == [5, 6, 7]
    with pytest.raises(InputError, match="has no run seed1; it has seed0, seed4"):
        read_claim(tmp_path / "b.tar.zst", "seed1")


def spec_of(root: Path, **changes: Any) -> None:
    edit(root / "run.json", **changes)


def test_nothing_that_acts_on_this_machine_is_taken_over(tmp_path: Path) -> None:
    root = build_run(tmp_path / "one").root
    settings = {"python": "/bin/evil"}
    spec_of(
        root,
        engine_settings=settings,
        grader="http://evil.example/v1#m",
        image="/evil",
        gpus=[4, 5],
        budget=30.0,
        network="open",
        prompt="{% for evil in range(99999) %}{% endfor %}",
    )
    claim = claim_of(root, tmp_path)
    experiment = resolve(experiment_of(claim, "again", 2))
    assert (experiment.agents, experiment.budget, experiment.gpus) == (["recipe-noop"], 30.0, 0)
    assert (experiment.sandbox, experiment.image, experiment.engine_settings) == ("bubblewrap", None, {})
    assert experiment.network is None
    assert "evil" not in experiment.model_dump_json()


@pytest.mark.parametrize(
    "name",
    [
        "react/m?base_url=http://evil.example",
        "react/openai/m?key_file=/home/me/key",
        "react/openai/m?key_variable=MY_TOKEN",
        "recipe?script=/etc/passwd",
        "codex/m?path=/tmp/x",
        "react/http:/evil.example/v1#m",
    ],
)
def test_settings_of_an_agent_are_not_taken_over(name: str, tmp_path: Path) -> None:
    root = build_run(tmp_path / "one").root
    agent = json.loads((root / "run.json").read_text())["agent"]
    spec_of(root, agent=agent | {"name": name})
    claim = claim_of(root, tmp_path)
    with pytest.raises(InputError, match="has settings, which are not taken from a bundle; read them"):
        experiment_of(claim, "again", 2)
    assert experiment_of(claim, "again", 2, "recipe-noop")["agents"] == ["recipe-noop"]


def test_a_seed_that_nothing_can_follow_is_refused(tmp_path: Path) -> None:
    root = build_run(tmp_path / "one").root
    spec_of(root, seed=10**30)
    with pytest.raises(InputError, match="which no fresh seed can follow"):
        experiment_of(claim_of(root, tmp_path), "again", 2)


def test_a_run_without_a_score_has_no_claim(tmp_path: Path) -> None:
    root = build_run(tmp_path / "one").root
    (root / "result.json").unlink()
    with pytest.raises(InputError, match="nothing to reproduce"):
        claim_of(root, tmp_path)
