"""Trainings in the two branches of a condition that is not known: only one of them is executed.

If both branches train and only one of them trains on test data, it is not certain that test data is trained on. If both
do, it is. A branch without a training says nothing about the other one: the program trains at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from posttrainbench.audit.behavior.script_analysis import ScriptContext, Sink, Trainer
from posttrainbench.audit.behavior.values import Taints, Value, unsure

_DATA = "train_dataset"


@dataclass
class Position:
    """The number of training calls and of trainers that were found before a branch."""

    sinks: int
    trainers: int


def position(context: ScriptContext) -> Position:
    """Return the present position."""
    return Position(len(context.result.sinks), len(context.trainers))


def settle(context: ScriptContext, first: Position, second: Position) -> None:
    """Make trainings of one branch unsure if the other one trains on other data.

    Args:
        context: state of the analysis, after both branches.
        first: where the first branch began.
        second: where the second branch began.
    """
    if context.world is not None:
        return
    sinks, trainers = context.result.sinks, context.trainers
    branches = (
        (sinks[first.sinks : second.sinks], trainers[first.trainers : second.trainers]),
        (sinks[second.sinks :], trainers[second.trainers :]),
    )
    if not all(calls or made for calls, made in branches):
        return
    if all(any(map(_is_test, _data(calls, made))) for calls, made in branches):
        return
    for number in range(first.sinks, len(sinks)):
        sinks[number] = replace(sinks[number], taints=unsure(sinks[number].taints))
    for trainer in trainers[first.trainers :]:
        if not trainer.started:
            trainer.value.fields[_DATA] = _unsure(trainer.value.fields[_DATA])


def _data(sinks: list[Sink], trainers: list[Trainer]) -> list[Taints]:
    """Return the origins of the data of each training."""
    waiting = [trainer for trainer in trainers if not trainer.started]
    return [
        *(sink.taints for sink in sinks),
        *(trainer.produced(trainer.value.fields[_DATA]).all() for trainer in waiting),
    ]


def _is_test(taints: Taints) -> bool:
    return any(taint.kind == "test" for taint in taints)


def _unsure(value: Value, depth: int = 4) -> Value:
    fields = {name: _unsure(part, depth - 1) for name, part in value.fields.items()} if depth else {}
    return replace(value, taints=unsure(value.taints if depth else value.all()), fields=fields)
