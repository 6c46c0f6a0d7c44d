"""Changes to a run after its agent has ended: another engine for an evaluation that could not start.

`run.json` is never changed. Changes are lines of `changes.jsonl` beside it, which the result repeats.
"""

from collections.abc import Mapping

from posttrainbench import catalog
from posttrainbench.engines import load_engine
from posttrainbench.errors import InputError
from posttrainbench.files import append_json
from posttrainbench.records import Change, EngineChoice, Stage
from posttrainbench.run.directory import CHANGES, Run, now


def change_engine(run: Run, engine: str | None, settings: Mapping[str, str]) -> None:
    """Evaluate a run's submission with another engine, or with other settings.

    Args:
        run: a run whose agent has ended and whose evaluation is not finished.
        engine: the engine, which starts with the suite's settings if it is the suite's; None to keep the engine and
            its settings.
        settings: added to the settings.

    Raises:
        InputError: the engine or a setting is unknown, the engine is not installed, or the run is at another stage.
            Nothing was changed.
    """
    with run.lock():
        old = run.engine
        suite = catalog.find(catalog.suites(), run.spec.suite, "suite")
        kept = old.settings if engine is None else suite.engine_settings if engine == suite.engine else {}
        new = EngineChoice(engine=engine or old.engine, settings=kept | dict(settings))
        chosen = load_engine(new.engine)
        chosen.require_settings(new.settings)
        if not run.is_done(Stage.SOLVE):
            raise InputError(
                f"The agent of {run.root} has not ended, and its kit is made for the engine {old.engine}; resume the "
                "run without --engine and --engine-setting, or start a new run."
            )
        if run.is_done(Stage.EVALUATE):
            raise InputError(
                f"{run.root} is already evaluated, with the engine {old.engine}; evaluate its submission apart from "
                f"the run: ptb evaluate {run.stage(Stage.COLLECT)} --benchmark {run.spec.benchmark} --engine NAME."
            )
        chosen.versions(new.settings)
        if new != old:
            append_json(run.root / CHANGES, Change(time=now(), old=old, new=new))


def describe_changes(run: Run) -> list[str]:
    """Return a sentence that names the engine of the evaluation if it is not the one in `run.json`."""
    created = EngineChoice(engine=run.spec.engine, settings=run.spec.engine_settings)
    if run.engine == created:
        return []
    return [
        f"A person changed the engine after the agent had ended: evaluated with engine {run.engine} instead of "
        f"{created}."
    ]
