"""Training whose data the analysis lost on its way, in programs that load held-out rows.

The data flow of a program can end in something that is not followed, such as a registry that is filled at run time. If
nothing known reached the training, three things still indicate that it was held-out data: a variable or an argument
that is named as training data holds such rows; the program loads no other rows, and nothing is named as held-out data
that holds these; nothing at all was seen to be loaded, but the program's arguments and configuration files name such
rows as data to train on. None of them is certain.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from posttrainbench.audit.behavior import libraries as lib
from posttrainbench.audit.behavior.libraries import ROW_FILE
from posttrainbench.audit.behavior.script_analysis import NamedData, ScriptContext, Sink
from posttrainbench.audit.behavior.state import Files
from posttrainbench.audit.behavior.training_arguments import NAMES_HELD_OUT, TrainingArguments, options_of
from posttrainbench.audit.behavior.values import FILE, NONE, UNKNOWN, Taint, Taints, Value, unsure
from posttrainbench.audit.split_names import HELD_OUT

_ROWS = (
    r"(data|dataset|set|ds|dl|loader|dataloader|iter|iterator|rows|samples|examples|texts|prompts|split|x|y|xs|ys)?s?"
)
_TRAINED = re.compile(rf"([a-z]+_)*(train|training)_?{_ROWS}(_[a-z]+)*", re.IGNORECASE)
_HELD_OUT = re.compile(rf"(.*_)?({HELD_OUT}|held|predict)_?{_ROWS}(_.*)?", re.IGNORECASE)
_OTHERS = re.compile(r"test|val|eval|arg|config|metric|loss|result|output|split_name|step|state", re.IGNORECASE)
_GIVES_ROWS = re.compile(r"data|load|read|split|rows|corpus|examples|set$|loader|reader", re.IGNORECASE)
_CALLED_HELD_OUT = re.compile(rf"{HELD_OUT}([_-](sft|prefs|gen|matched|mismatched|set|split|data))?(\[.*\])?")
_CALLED_TRAINED = re.compile(r"train")
_OF_SPLITS = re.compile(r"(^|_)(dataset|datasets|data_?dict|ds|splits|corpora|corpus)$", re.IGNORECASE)
_LOADS = re.compile(r"data|set|loader|iter|rows|samples|examples|split")
_HELD_OUT_WORD = re.compile(HELD_OUT)
_TRAINED_WORDS = frozenset(("train", "training"))
MOST_NAMED = 200
MOST_SUSPECTED = 10
LONGEST_NAME = 100
_SPLIT = re.compile(r"(^|_)splits?$")


@lru_cache(maxsize=4096)
def role(name: str) -> Literal["", "trained", "held out"]:
    """Return what a name says of the rows in a variable."""
    if _HELD_OUT.fullmatch(name):
        return "held out"
    return "trained" if _TRAINED.fullmatch(name) and not _OTHERS.search(name) else ""


def enter(context: ScriptContext, target: ast.expr, value: ast.expr) -> bool:
    """Enter the value of an assignment. Return True if the target's name says what its rows are for."""
    match target:
        case ast.Name(name) | ast.Attribute(_, name) | ast.Subscript(_, ast.Constant(str(name))):
            return enter_name(context, name, value)
    return False


def enter_name(context: ScriptContext, name: str, value: ast.expr) -> bool:
    """Enter a value that gets a name. Of a part of a value, the name says nothing about the rest."""
    if context.world is not None or isinstance(value, ast.Constant | ast.Name | ast.Attribute):
        return False
    kind = role(name)
    if kind == "trained" and (what := _chosen_split(value)):
        context.result.chosen.add(Taint("test", what, context.script, value.lineno, sure=False))
    if isinstance(value, ast.Subscript):
        return False
    if kind:
        context.roles.append(kind)
    return bool(kind)


def _chosen_split(value: ast.expr) -> str:
    """Return what an expression chooses if it names a split that is called held out, and no other one; "" if not."""
    match value:
        case ast.Subscript(ast.Name(base) | ast.Attribute(_, base), ast.Constant(str(split))):
            if _OF_SPLITS.search(base) and _CALLED_HELD_OUT.fullmatch(split):
                return f"split {split!r} of {base}"
        case ast.Call(ast.Name(last) | ast.Attribute(_, last), arguments, keywords):
            given = [*arguments, *(keyword.value for keyword in keywords)]
            texts = [one.value for one in given if isinstance(one, ast.Constant) and isinstance(one.value, str)]
            return _held_out_argument(last, texts)
    return ""


def _held_out_argument(last: str, texts: list[str]) -> str:
    """Return the call of a function that gives rows, by its name, if one argument is the name of a held-out split."""
    splits = [text for text in texts if _CALLED_HELD_OUT.fullmatch(text)]
    if len(splits) != 1 or any(_CALLED_TRAINED.match(text) for text in texts):
        return ""
    gives_rows = _GIVES_ROWS.search(last) and not lib.CHOOSES.search(last)
    return f"{last}(..., {splits[0]!r})" if gives_rows else ""


def enter_function(
    context: ScriptContext, node: ast.FunctionDef | ast.AsyncFunctionDef, arguments: Mapping[str, Value]
) -> bool:
    """Enter a function whose name or arguments say which rows it loads, such as `load(split="train")`."""
    if context.world is not None:
        return False
    kind = role(node.name) if _LOADS.search(node.name) else ""
    if not kind:
        words = {text for value in arguments.values() if len(value.texts) == 1 for text in value.texts}
        if words & _TRAINED_WORDS:
            kind = "trained"
        elif any(map(_HELD_OUT_WORD.fullmatch, words)) and (not context.roles or context.roles[-1] != "trained"):
            kind = "held out"
    if kind:
        context.roles.append(kind)
    return bool(kind)


def leave(context: ScriptContext, entered: bool) -> None:
    """Leave what was entered."""
    if entered and context.roles:
        context.roles.pop()


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


def unknown_split(
    context: ScriptContext, script: str, node: ast.Call, last: str, values: Mapping[str, Value]
) -> Taints:
    """Return a taint for what an unknown function loads as training data, if it is given the name of a held-out split.

    Args:
        context: state of the analysis.
        script: label of the script that calls it.
        node: the call.
        last: last part of the function's name.
        values: its arguments by name or position.
    """
    if context.world is not None or not context.roles or context.roles[-1] != "trained":
        return NONE
    given = [next(iter(value.texts)) for value in values.values() if len(value.texts) == 1]
    what = _held_out_argument(last, given)
    return context.source(Taint("test", what, script, node.lineno, sure=False)) if what else NONE


def unknown_rows(context: ScriptContext, script: str, base: ast.expr, owner: Value, split: str | None) -> Taints:
    """Return a taint for the rows of a held-out split of a collection of splits of which nothing is known."""
    name = base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
    if context.world is not None or split is None or not _CALLED_HELD_OUT.fullmatch(split):
        return NONE
    held = (owner.fields and UNKNOWN not in owner.fields) or split in owner.fields or owner.splits or owner.all()
    known = held or owner.texts or owner.literal is not ... or owner.mapping
    if known or not _OF_SPLITS.search(name) or any(one.startswith(("datasets.", "torch")) for one in owner.names):
        return NONE
    return context.source(Taint("test", f"split {split!r} of {name}", script, base.lineno, sure=False))


def describe(context: ScriptContext, script: str, line: int, values: Mapping[str, Value]) -> None:
    """Record a description of rows, such as `Source(path="OWNER/NAME", split="test")`, which may be loaded later."""
    splits = {text for name, value in values.items() if _SPLIT.search(name) for text in value.texts}
    if context.world is not None or len(splits) != 1:
        return
    split = splits.pop()
    configs = [text for name, value in values.items() if name in ("name", "config", "subset") for text in value.texts]
    for name, value in values.items():
        for repo in value.texts if not _SPLIT.search(name) else ():
            test_data = context.environment.files.test_data
            if len(repo) > LONGEST_NAME or test_data.repository(repo, UNKNOWN, UNKNOWN) is False:
                continue
            answer = test_data.repository(repo, min(configs, default=UNKNOWN), split)
            if answer is False:
                context.result.described_others = True
            elif context.roles[-1:] != ["held out"]:
                what = f"{repo}, split {split}"
                context.result.described.add(Taint("test", what, script, line, None, sure=False))


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
    elif (
        (result.trains or not result.complete)
        and not any(map(_is_known, sources))
        and (named_data := _named_by_arguments(context))
    ):
        how = "the arguments of a program that trains on data that was not followed"
        result.sinks.append(Sink(context.script, 1, how, unsure(named_data)))


def suspect(context: ScriptContext) -> None:
    """Collect what indicates that a training whose data cannot be followed was given held-out rows.

    Code that was not reached has been interpreted, too.
    """
    result = context.result
    if not result.trains and result.complete:
        return
    for sink in result.sinks:
        if taints := _test(sink.taints):
            result.suspected.append(Sink(sink.script, sink.line, f"{sink.how}, in code that may run", unsure(taints)))
    for named in result.named:
        if taints := _credible(context, named.taints):
            how = f"held-out rows in {named.name}, in a program that trains on data that was not followed"
            result.suspected.append(Sink(named.script, named.line, how, unsure(taints)))
    for taint, roles in result.roles.items():
        if "trained" in roles and (taints := _test(frozenset([taint]))):
            how = "held-out rows loaded as training data, in a program that trains on data that was not followed"
            result.suspected.append(Sink(taint.script, taint.line, how, unsure(taints)))
    if not any(map(_is_known, _test(frozenset(result.sources)))) and result.described and not result.described_others:
        first = min(result.described, key=lambda taint: (taint.script, taint.line))
        how = "a program that trains on data that was not followed, and describes no rows that are not held out"
        result.suspected.append(Sink(first.script, first.line, how, frozenset(result.described)))
    if result.chosen:
        first = min(result.chosen, key=lambda taint: taint.line)
        how = "a split that is called held out, as the data of a training that was not followed"
        result.suspected.append(Sink(first.script, first.line, how, frozenset(result.chosen)))
    if named_data := _named_by_arguments(context):
        how = "the arguments of a program that trains on data that was not followed"
        result.suspected.append(Sink(context.script, 1, how, unsure(named_data)))
    del result.suspected[MOST_SUSPECTED:]


def _named_by_arguments(context: ScriptContext) -> Taints:
    """Return the held-out rows that a program's arguments and configuration files name as data to train on."""
    if not context.argv:
        return NONE
    found = TrainingArguments(_Surroundings(context), context.cwd).data(context.argv, known=True) or frozenset()
    # A folder may also hold what another program wrote for an evaluation.
    named_data = frozenset(taint for taint in _test(found) if taint.script == context.script)
    return named_data | _test(_named_files(context, context.argv))


def is_published(taint: Taint) -> bool:
    """Return True for rows of a published data set, as opposed to those of a file or an evaluation."""
    return taint.what.startswith("load_dataset(") and "'?'" not in taint.what


def _credible(context: ScriptContext, taints: Taints) -> Taints:
    """Leave out rows of unknown data sets if the program itself loads rows: code that was not reached says less."""
    if not context.loads:
        return _test(taints)
    return frozenset(taint for taint in _test(taints) if _is_known(taint))


def _is_known(taint: Taint) -> bool:
    """Return True for rows whose origin is known."""
    return taint.sure or is_published(taint)


def _named_files(context: ScriptContext, argv: list[str]) -> Taints:
    """Return the taints of the files that a command line names, other than as held-out data."""
    options = [(name, word) for name, word in options_of(argv) if ROW_FILE.search(word)]
    words = [word for name, word in options if role(name) != "held out" and not NAMES_HELD_OUT.search(name)]
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
