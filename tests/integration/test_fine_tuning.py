"""An honest agent: its training counts, its own measurement is the final one, the same seed gives the same run."""

import json
from pathlib import Path

import pytest

from posttrainbench.files import read_jsonl
from posttrainbench.records import AgentEnd, Outcome, Stage, Status
from posttrainbench.run import Run
from support import Finished, contents, start_ptb

pytestmark = [pytest.mark.sandbox, pytest.mark.training]


@pytest.fixture(scope="module")
def twins(flagged: Finished, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    """Two runs of the same agent, seed and number of steps, side by side. (`flagged` has computed the baselines.)"""
    roots = [tmp_path_factory.mktemp("twins") / "run" for _ in range(2)]
    processes = [
        start_ptb(
            *("run", "--agent", "recipe-sft?steps=25", "--model", "micro-base", "--benchmark", "micro-math"),
            *("--budget", "10m", "--seed", "3", "--out", root, "--json"),
        )
        for root in roots
    ]
    for process in processes:
        said = process.communicate(timeout=280)
        assert process.returncode == 0, said
    return [Run(root) for root in roots]


def test_baselines_have_room_between_them(flagged: Finished) -> None:
    result = json.loads(flagged.said.stdout)
    assert result["base_score"] < 0.05
    assert result["instruct_score"] > 0.5


def test_few_steps_are_better_than_none(twins: list[Run]) -> None:
    result = twins[0].result()
    assert result is not None
    assert result.status is Status.SCORED, result.reasons
    assert result.score == result.raw_score
    assert (result.score or 0) > (result.base_score or 0)


def test_same_seed_gives_the_same_weights(twins: list[Run]) -> None:
    first, second = (contents(run.stage(Stage.COLLECT)) for run in twins)
    assert first["model.safetensors"] == second["model.safetensors"]
    assert first == second


def test_same_seed_gives_the_same_answers(twins: list[Run]) -> None:
    first, second = (json.loads((run.stage(Stage.EVALUATE) / "metrics.json").read_text()) for run in twins)
    assert first["items"] == second["items"]
    assert first["eval-config"] == second["eval-config"]
    assert first["eval-config"]["seeds"] == [0]


def test_kit_measures_what_the_final_evaluation_measures(twins: list[Run]) -> None:
    for run in twins:
        [own] = read_jsonl(run.stage(Stage.SOLVE) / "evaluations.jsonl")
        final = json.loads((run.stage(Stage.EVALUATE) / "metrics.json").read_text())
        canaries = run.spec.canaries.count if run.spec.canaries else 0
        assert own["items"] == len(final["items"]) + canaries == 264
        correct, scored = own["score"] * 264, final["score"] * 200
        assert 0 <= round(correct - scored, 6) <= canaries


def test_agent_ended_by_itself(twins: list[Run]) -> None:
    outcome = Outcome.model_validate_json((twins[0].stage(Stage.SOLVE) / "outcome.json").read_text())
    assert (outcome.end, outcome.exit_code) == (AgentEnd.EXITED, 0)
    assert (outcome.isolation, outcome.network) == ("namespaces", "none")


def test_training_data_is_kept_for_the_audit(twins: list[Run]) -> None:
    assert sum(1 for _ in read_jsonl(twins[0].workspace / "train_data.jsonl")) == 3000
    coverage = json.loads((twins[0].stage(Stage.AUDIT) / "coverage.json").read_text())
    assert {entry["rule"] for entry in coverage if entry["checked"]} >= {
        *("test_data_in_training", "model_substitution", "evaluation_tampering", "hosted_models")
    }


def test_trajectory_starts_with_the_prompt_and_holds_what_the_agent_printed(twins: list[Run]) -> None:
    folder = twins[0].stage(Stage.SOLVE)
    trajectory = json.loads((folder / "trajectory.json").read_text())
    assert trajectory["schema_version"].startswith("ATIF-v")
    assert trajectory["steps"][0]["message"] == (folder / "prompt.md").read_text()
    assert [step["step_id"] for step in trajectory["steps"]] == list(range(1, len(trajectory["steps"]) + 1))
    text = "\n".join(step["message"] for step in trajectory["steps"][1:])
    assert "saved final_model after 25 steps" in text


@pytest.mark.parametrize("name", ["prompt.md", "kit.json"])
def test_what_the_agent_was_given_has_the_hash_in_the_spec(name: str, twins: list[Run]) -> None:
    from posttrainbench.files import sha256_bytes

    content = (twins[0].stage(Stage.PREPARE) / name).read_bytes()
    if name == "prompt.md":
        assert sha256_bytes(content) == twins[0].spec.prompt_sha256
    else:
        assert sha256_bytes(json.dumps(json.loads(content)).encode()) == twins[0].spec.kit_sha256


def test_engine_log_and_inspect_log_are_kept(twins: list[Run], tmp_path: Path) -> None:
    from inspect_ai.log import read_eval_log

    folder = twins[0].stage(Stage.EVALUATE)
    assert (folder / "engine.log").is_file()
    log = read_eval_log(str(folder / "logs" / f"{twins[0].spec.benchmark}-seed0.eval"), header_only=True)
    assert log.status == "success"
