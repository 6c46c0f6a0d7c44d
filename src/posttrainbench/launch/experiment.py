"""Read and write `experiment.yaml`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.catalog.loading import describe_problem, yaml_problem
from posttrainbench.errors import InputError
from posttrainbench.files import require_existing, write_text
from posttrainbench.records import Experiment
from posttrainbench.records.experiment import EXPERIMENT_FILE
from posttrainbench.records.units import short_duration

GROWING = ("agents", "models", "benchmarks", "seeds", "off_target")
"""Lists to which a later command may add."""
CHANGEABLE = ("retries", "placement")
"""Settings without effect on a run, which a later command may change."""


def read_experiment(root: Path) -> Experiment | None:
    """Return the definition of the experiment in a directory; None if the directory has none.

    Raises:
        InputError: the file is damaged.
    """
    path = root / EXPERIMENT_FILE
    if not path.is_file():
        return None
    return validate(read_yaml(path), str(path))


def write_experiment(root: Path, experiment: Experiment) -> None:
    """Write the definition of the experiment in a directory."""
    write_text(root / EXPERIMENT_FILE, to_yaml(experiment))


def to_yaml(experiment: Experiment) -> str:
    """Return the content of `experiment.yaml`."""
    return yaml.safe_dump(experiment.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)


def read_yaml(path: Path) -> dict[str, Any]:
    """Return the mapping in a YAML file.

    Raises:
        InputError: the file cannot be read, or does not contain a mapping.
    """
    require_existing(path, "an experiment file")
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise InputError(
            f"{path} cannot be read as YAML; correct it, or give another experiment file. Reason: {yaml_problem(error)}"
        ) from None
    if not isinstance(content, dict) or not all(isinstance(key, str) for key in content):
        raise InputError(f"{path} is not an experiment file: it has no `key: value` lines; see `ptb launch --help`.")
    return content


def validate(content: dict[str, Any], source: str) -> Experiment:
    """Return the experiment that a complete mapping defines.

    Args:
        source: of the mapping, for the message.

    Raises:
        InputError: it is not valid.
    """
    try:
        return Experiment.model_validate(content)
    except ValidationError as error:
        problems = "; ".join(describe_problem(Experiment, dict(problem)) for problem in error.errors())
        raise InputError(f"{source} is not a valid experiment: {problems}.") from None


def resolve(given: Mapping[str, Any], existing: Experiment | None = None) -> Experiment:
    """Return the experiment that the user's settings amount to, with the values of the suite.

    Args:
        given: keys of `Experiment`, of which only `suite` and `agents` must be given; `placement` may be incomplete.
        existing: the experiment in the same directory, which is continued.

    Raises:
        InputError: something is missing, invalid or unknown, or contradicts the existing experiment.
    """
    content = (existing.model_dump() if existing else {}) | dict(given)
    if existing is not None:
        content["placement"] = existing.placement.model_dump() | dict(given.get("placement") or {})
    options = {"name": "--name", "suite": "--suite", "agents": "--agent"}
    if missing := [key for key in options if not content.get(key)]:
        named, keys = " and ".join(options[key] for key in missing), " and ".join(f"`{key}`" for key in missing)
        word, pronoun = ("option", "it") if len(missing) == 1 else ("options", "them")
        raise InputError(
            f"Missing {word} {named}; a new experiment needs {pronoun}, or an experiment file with {keys}."
        )
    suite = catalog.find(catalog.suites(), str(content["suite"]), "suite")
    defaults = {"models": suite.models, "benchmarks": suite.benchmarks, "seeds": 1}
    defaults |= {"budget": suite.budget, "gpus": suite.gpus, "engine": suite.engine}
    content = defaults | {key: value for key, value in content.items() if value is not None}
    experiment = validate(content, "This")
    for name in experiment.agents:
        catalog.agent_spec(name)
    for model in experiment.models:
        for benchmark in experiment.benchmarks:
            catalog.suite_of(model, benchmark, suite.id)
    for benchmark in experiment.off_target:
        catalog.find(catalog.benchmarks(), benchmark, "benchmark")
    if existing is not None:
        _require_same_runs(existing, experiment)
    return experiment


def _require_same_runs(old: Experiment, new: Experiment) -> None:
    """Check that an experiment only gains runs, and that its existing runs keep their settings.

    Raises:
        InputError: it loses runs, or a setting of its runs changes.
    """
    for field in Experiment.model_fields:
        before, after = getattr(old, field), getattr(new, field)
        if field in GROWING:
            if lost := [value for value in before if value not in after]:
                raise InputError(
                    f"The experiment {old.name} also has {lost[0]} in its {field}, and runs are never removed; leave "
                    f"out the option to keep its {field}, or choose another --name."
                )
        elif field not in CHANGEABLE and before != after:
            was, now = (short_duration(value) if field == "budget" else value for value in (before, after))
            raise InputError(
                f"The experiment {old.name} was started with {field} {was}, not {now}; choose another --name."
            )
