"""Training whose data the analysis lost on its way, in programs that load held-out rows.

The data flow of a program can end in something that is not followed, such as a registry that is filled at run time. If
nothing known reached the training, three things still indicate that it was held-out data: a variable or an argument
that is named as training data holds such rows; the program loads no other rows, and nothing is named as held-out data
that holds these; nothing at all was seen to be loaded, but the program's arguments and configuration files name such
rows as data to train on. None of them is certain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from posttrainbench.audit.behavior.libraries import ROW_FILE
from posttrainbench.audit.behavior.script_analysis import NamedData, ScriptContext, Sink
from posttrainbench.audit.behavior.state import Files
from posttrainbench.audit.behavior.training_arguments import TrainingArguments, options_of
from posttrainbench.audit.behavior.values import FILE, Taints, Value, unsure
from posttrainbench.audit.split_names import HELD_OUT

_ROWS = (
    r"(data|dataset|set|ds|dl|loader|dataloader|iter|iterator|rows|samples|examples|texts|prompts|split|x|y|xs|ys)?s?"
)
_TRAINED = re.compile(rf"([a-z]+_)*(train|training)_?{_ROWS}(_[a-z]+)*", re.IGNORECASE)
_HELD_OUT = re.compile(rf"(.*_)?({HELD_OUT}|predict)_?{_ROWS}(_.*)?", re.IGNORECASE)
_OTHERS = re.compile(r"test|val|eval|arg|config|metric|loss|result|output|split_name|step|state", re.IGNORECASE)
MOST_NAMED = 200


@lru_cache(maxsize=4096)
def role(name: str) -> Literal["", "trained", "held out"]:
    """Return what a name says of the rows in a variable."""
    if _HELD_OUT.fullmatch(name):
        return "held out"
    return "trained" if _TRAINED.fullmatch(name) and not _OTHERS.search(name) else ""


def note(context: ScriptContext, script: str, line: int, name: str, value: Value) -> None:
    """Record that a variable, an attribute or an argument of this name holds a value."""
    if context.world is not None or not (kind := role(name)) or not (taints := _test(value.all())):
        return
    if kind == "held out":
        context.result.evaluated |= {taint.source for taint in taints}
    elif len(context.result.named) < MOST_NAMED:
        context.result.named.append(NamedData(script, line, name, taints))


def note_all(context: ScriptContext, script: str, line: int, values: Mapping[str, Value]) -> None:
    """Record the values of the arguments of a call."""
    for name, value in values.items():
        if role(name):
            note(context, script, line, name, value)


def conclude(context: ScriptContext) -> None:
    """Add what indicates that lost data of a training was held out."""
    result = context.result
    if context.world is not None or any(_test(sink.taints) for sink in result.sinks):
        return
    sources = _test(frozenset(result.sources))
    if result.trains and result.named:
        for named in result.named[:10]:
            how = f"held-out rows in {named.name}, in a program that trains on data that was not followed"
            result.sinks.append(Sink(named.script, named.line, how, unsure(named.taints)))
    elif result.trains and sources and not result.others:
        lost = frozenset(taint for taint in sources if taint.source not in result.evaluated)
        if lost:
            line = min(taint.line for taint in lost)
            how = "a program that trains on data that was not followed, and loads no rows that are not held out"
            result.sinks.append(Sink(min(taint.script for taint in lost), line, how, unsure(lost)))
    elif (result.trains or not result.complete) and not sources and context.argv:
        arguments = TrainingArguments(_Surroundings(context), context.cwd)
        found = arguments.data(context.argv, known=True) or frozenset()
        # A folder may also hold what another program wrote for an evaluation.
        named_data = frozenset(taint for taint in _test(found) if taint.script == context.script)
        named_data |= _test(_named_files(context, context.argv))
        if named_data:
            how = "the arguments of a program that trains on data that was not followed"
            result.sinks.append(Sink(context.script, 1, how, unsure(named_data)))


def _named_files(context: ScriptContext, argv: list[str]) -> Taints:
    """Return the taints of the files that a command line names, other than as held-out data."""
    words = [word for name, word in options_of(argv) if role(name) != "held out" and ROW_FILE.search(word)]
    files = context.environment.files
    return frozenset().union(*(files.read(word, context.script, 1, context.cwd) for word in words))


def _test(taints: Taints) -> Taints:
    return frozenset(taint for taint in taints if taint.kind == "test" and not taint.what.startswith(FILE))


@dataclass
class _Surroundings:
    """The files around a script, for `TrainingArguments`."""

    context: ScriptContext

    @property
    def files(self) -> Files:
        return self.context.environment.files

    @property
    def label(self) -> tuple[str, int]:
        return self.context.script, 1

    def text_of(self, path: str, cwd: str) -> str:
        return self.context.environment.text_of(path, cwd)
