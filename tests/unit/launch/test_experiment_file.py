"""`experiment.yaml`: reading, writing and its errors."""

from pathlib import Path
from typing import Any

import pytest

from posttrainbench.errors import InputError
from posttrainbench.launch.experiment import read_experiment, read_yaml, validate, write_experiment
from posttrainbench.records import RunKey
from posttrainbench.records.experiment import EXPERIMENT_FILE

MINIMAL: dict[str, Any] = {
    "name": "e",
    "suite": "micro",
    "agents": ["a", "b"],
    "models": ["m"],
    "benchmarks": ["x", "y"],
    "seeds": 2,
    "budget": "10m",
    "gpus": 0,
}


def test_texts_and_numbers_are_resolved(tmp_path: Path) -> None:
    content = MINIMAL | {"limits": {"memory": "64G"}, "placement": {"memory": "1G", "evaluation_time": "2h"}}
    experiment = validate(content, "it")
    assert (experiment.seeds, experiment.budget) == ([0, 1], 600)
    assert (experiment.limits.memory, experiment.placement.memory) == (64 * 2**30, 2**30)
    assert experiment.placement.evaluation_time == 7200
    write_experiment(tmp_path, experiment)
    assert read_experiment(tmp_path) == experiment


def test_no_file_is_not_an_error(tmp_path: Path) -> None:
    assert read_experiment(tmp_path) is None


def test_all_agents_are_treated_alike_if_the_experiment_ends_early() -> None:
    cells = list(validate(MINIMAL, "it").run_keys())
    assert len(set(cells)) == 8
    assert cells[:3] == [RunKey("a", "m", "x", 0), RunKey("b", "m", "x", 0), RunKey("a", "m", "y", 0)]
    assert [cell.seed for cell in cells] == [0] * 4 + [1] * 4


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seeds": 0}, "`seeds` should be a number of seeds, such as 3, or a list"),
        ({"seeds": [-1]}, "`seeds` use whole numbers from 0"),
        ({"seeds": [1, 1]}, "`1` is listed twice"),
        ({"gpus": [0, -1]}, "`gpus` use whole numbers from 0"),
        ({"agents": []}, "`agents` "),
        ({"agents": ["a", "a"]}, "`a` is listed twice"),
        ({"seed": 3}, "`seed` is an unknown key (did you mean `seeds`?)"),
        ({"name": "../e"}, "`name` should consist of letters"),
        ({"name": "e.attempt-1"}, "`name` should consist of letters"),
        ({"budget": "10"}, "has no unit"),
        ({"retries": -1}, "`retries` should be greater"),
        ({"placement": {"concurrency": 0}}, "`placement.concurrency` should be greater than 0"),
        ({"placement": {"partion": "gpu"}}, "`placement.partion` is an unknown key"),
    ],
)
def test_invalid_values_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as refused:
        validate(MINIMAL | change, "it")
    assert message in str(refused.value)


@pytest.mark.parametrize("text", ["- a\n", "a: [\n", "", "1: a\n", "\xff"])
def test_a_file_that_is_not_a_mapping_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / EXPERIMENT_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match="experiment file"):
        read_yaml(tmp_path / EXPERIMENT_FILE)
