"""A call in a script, as library models see it."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Protocol

from posttrainbench.audit.behavior import libraries as lib
from posttrainbench.audit.behavior.choices import doubtful, is_followed
from posttrainbench.audit.behavior.operations import MOST_UNROLLED, attribute, defines, taints_of
from posttrainbench.audit.behavior.row_loops import RowLoops
from posttrainbench.audit.behavior.row_operators import concatenated
from posttrainbench.audit.behavior.rows import is_collection
from posttrainbench.audit.behavior.script_analysis import ScriptContext
from posttrainbench.audit.behavior.state import Files
from posttrainbench.audit.behavior.values import EVERY, NONE, UNKNOWN, Scope, Taint, Taints, Value, joined, unclear


class Caller(Protocol):
    """The interpreter of the calling code.

    Attributes:
        context: state of the analysis.
        script: label of the script that the call is in.
        row_loops: loops over rows that contain the call, where one row is followed.
    """

    context: ScriptContext
    script: str
    row_loops: RowLoops

    def call_value(self, function: Value, arguments: list[Value], named: dict[str, Value] | None = None) -> Value:
        """Return the result of calling `function`, such as a callback."""
        ...

    def value(self, node: ast.expr, scope: Scope) -> Value:
        """Return the abstract value of an expression."""
        ...


@dataclass
class Call:
    """A call whose function and arguments have been evaluated.

    Attributes:
        caller: interpreter of the calling code.
        node: the call's syntax tree.
        function: the called value.
        last: last component of the function's name.
        receiver: the object whose method is called; None for other functions.
        arguments: positional arguments.
        named: keyword arguments.
        scope: the names that the calling code knows.
    """

    caller: Caller
    node: ast.Call
    function: Value
    last: str
    receiver: Value | None
    arguments: list[Value]
    named: dict[str, Value]
    scope: Scope | None = None

    @property
    def line(self) -> int:
        """Line of the script, 1-based."""
        return self.node.lineno

    @property
    def context(self) -> ScriptContext:
        """State of the analysis."""
        return self.caller.context

    @property
    def files(self) -> Files:
        """The files of the sandbox."""
        return self.context.environment.files

    @property
    def source_text(self) -> str:
        """The called function as written in the script, with `(...)`."""
        return ast.unparse(self.node.func)[:100] + "(...)"

    def result(self, models: Iterable[LibraryModel]) -> Value | None:
        """Return the result by the first library model that knows the function, or None."""
        for model in models:
            value = model(self)
            if value is not None:
                return value
        return None

    def argument(self, index: int, *names: str) -> Value | None:
        """Return an argument by name or, failing that, by position."""
        for name in names:
            if name in self.named:
                return self.named[name]
        return self.arguments[index] if index < len(self.arguments) else None

    def all_arguments(self) -> list[Value]:
        """Return the positional and keyword arguments."""
        return [*self.arguments, *self.named.values()]

    def is_named(self, names: frozenset[str]) -> bool:
        """Return True if the function is one of `names`."""
        return bool(self.function.names & names)

    def is_in(self, field: str) -> bool:
        """Return True if the function is one of a field of `catalog.Library`, such as `reads`."""
        return lib.tables().has(field, self.function.names, self.last)

    def argument_taints(self) -> Taints:
        """Return the taints of all arguments."""
        return taints_of(self.all_arguments())

    def source(self, taint: Taint) -> Taints:
        """Record a taint source and return its taint as a set."""
        return self.context.source(taint)

    def taint(self, name: str, *, sure: bool = True) -> Taint:
        """Return a taint of test data that this call reads."""
        return Taint("test", name, self.caller.script, self.line, sure=sure)

    def hosted_taint(self, host: str, *, sure: bool = True) -> Taint:
        """Return a taint of the answer of a hosted model that this call asks."""
        return Taint("hosted", self.source_text, self.caller.script, self.line, sure=sure, host=host)

    def sink(self, how: str, value: Value) -> None:
        """Record that this call trains on `value`."""
        self.context.sink(self.caller.script, self.line, how, self.produced(value))

    def produced(self, value: Value) -> Value:
        """Return what a data set of the script produces; where one row is followed, without what it holds."""
        if self.context.world is None:
            return joined(value, Value(self.read_rows(value)))
        for name in ("__iter__", "__getitem__"):
            if (known := value.fields.get(name)) is not None and known.functions:
                if name == "__getitem__":
                    return self.invoke(attribute(value, name), [Value(names=frozenset([EVERY]))])
                made = self.invoke(attribute(value, name), [])
                if not defines(made, "__next__"):
                    return made
                one = self.invoke(attribute(made, "__next__"), [])
                # A later call may return what the first one does not.
                self.context.world.opaque |= bool(made.all() - one.all())
                return one
        return value

    def read_rows(self, value: Value) -> Taints:
        """Return the taints of the rows that a data set of the script reads when it is asked for them."""
        hooks = [name for name in ("__getitem__", "__iter__") if defines(value, name)]
        return taints_of([self.invoke(attribute(value, name), []) for name in hooks])

    def test_rows(self, repo: str, config: str, split: str) -> Taints:
        """Record a data set's split as a source, and return its taint, if its rows may be test items."""
        return self.context.test_rows(repo, config, split, self.caller.script, self.line)

    def element(self, value: Value) -> Value:
        """Return the join of the elements that iterating over `value` gives."""
        return self.context.element(value, self.caller.script)

    def invoke(self, function: Value, arguments: list[Value], named: dict[str, Value] | None = None) -> Value:
        """Return the result of calling `function`, such as a callback."""
        return self.caller.call_value(function, arguments, named)

    def text_of(self, path: str) -> str:
        """Return the beginning of a file's text, or "" if it is unknown."""
        return self.context.environment.text_of(path, self.context.cwd)

    def shell(self, text: str, cwd: str) -> Taints:
        """Run a shell command on the files and return the origins of its output."""
        return self.context.environment.shell(text, cwd or self.context.cwd, self.context.env)

    def read(self, value: Value | None) -> Taints:
        """Return the taints of the files that `value` names, and record sources among them."""
        result = NONE
        for text in texts_of(value):
            taints = self.files.read(text, self.caller.script, self.line, self.context.cwd)
            self.context.result.others |= not taints and lib.ROW_FILE.search(text) is not None
            self.context.result.sources |= {taint for taint in taints if taint.script == self.caller.script}
            result |= taints
        return result

    def read_value(self, path: Value | None, *, raw: bool = False) -> Value:
        """Return the content of the files that `path` names, by key if the file holds one dictionary.

        Args:
            path: their names.
            raw: whether they are opened, not parsed.
        """
        taints = self.read(path)
        texts = texts_of(path)
        if self.context.world is not None:
            origins = frozenset(replace(taint, part="") for taint in taints)
            places = {self.files.resolve(text, self.context.cwd) for text in texts}
            found = [self.context.world.content(place, origins, raw=raw) for place in sorted(places)]
            known = [value for value in found if value is not None]
            sure = path is None or not _is_unsure(path)
            if known and len(known) == len(found):
                content = concatenated(known) if len(known) > 1 else known[0]
                content = content if sure else unclear(content, part="file")
                if self.context.world.listed.intersection(places):
                    content = replace(content, place=None, total=None)
                return content
            taints = taints if sure else unclear(Value(taints), part="file").taints
        parts = self.files.parts_of(texts[0], self.context.cwd) if len(texts) == 1 else {}
        rest = taints.difference(*parts.values()) | (path.all() if path is not None else NONE)
        return Value(rest, fields={key: Value(part, whole=True) for key, part in parts.items()}, whole=True)

    def write_value(self, target: Value | None, value: Value) -> None:
        """Write `value` to the files that `target` names or has open."""
        if value.splits and not value.fields:
            value = Value(value.taints, fields=self.context.split_rows(value, self.caller.script, self.line))
        taints = value.all()
        self.write_handles(target, taints)
        self.write(target, taints)
        few = len(value.fields) <= MOST_UNROLLED  # such as a pair of splits
        parts = {key: part.all() for key, part in value.fields.items() if key != UNKNOWN and (few or not key.isdigit())}
        if target is not None and len(parts) > 1 and not value.taints:
            for path in sorted(target.texts | {path for path, _ in target.handles}):
                self.files.keep_parts(path, parts, self.context.cwd)

    def write(self, target: Value | None, taints: Taints, *, append: bool = False) -> None:
        """Write data with these taints to the files that `target` names."""
        for text in sorted(target.texts) if target is not None else ():
            self.files.write(text, taints, self.context.cwd, append=append)

    def write_handles(self, target: Value | None, taints: Taints) -> None:
        """Append data with these taints to the files that `target` has open."""
        for path, _ in sorted(target.handles) if target is not None else ():
            self.files.write(path, taints, self.context.cwd, append=True)

    def default(self) -> Value:
        """Return the result of an unknown function: it may contain everything that was passed in."""
        arguments = self.all_arguments()
        taints = taints_of(arguments)
        if self.receiver is not None:
            held = self.receiver.fields.get(self.last) if self.context.world is None else None
            # What an object holds, such as its tokenizer, knows nothing of what else the object holds.
            taints |= (self.receiver if held is None else held).all()
        handles = frozenset().union(*(value.handles for value in arguments)) if arguments else frozenset()
        for value in arguments:  # the function may read a data file that it is given by name
            for text in value.texts:
                if self._names_data(text) and not lib.SAVES.search(self.last):
                    taints |= self.read(Value(texts=frozenset([text])))
        if may_choose(self):
            taints = unclear(Value(taints)).all()
            if self.context.statement is self.node:  # the function may change the rows that it is given
                for value in [*arguments, *([self.receiver] if self.receiver is not None else [])]:
                    if is_collection(value) and is_followed(value):
                        doubtful(value)
        for value in arguments if self.context.world is None else ():
            taints |= self.read_rows(value)
        for value in arguments:
            if value.functions:  # the result of a callback may be returned
                taints |= self.invoke(value, [Value(taints)]).all()
        if lib.SAVES.search(self.last):
            self.files.store(taints, " ".join(text for value in arguments for text in sorted(value.texts)))
            for value in arguments:
                if any(lib.DATA_FILE.search(text) for text in value.texts):
                    self.write(value, taints)
            return Value()
        names = frozenset(f"{name}()"[:300] for name in self.function.names)
        splits = frozenset().union(*(value.all_splits() for value in arguments)) if arguments else frozenset()
        if self.receiver is not None:
            splits |= self.receiver.splits
        return Value(taints, names=names, handles=handles, splits=splits)

    def _names_data(self, text: str) -> bool:
        """Return True for a path with the ending of a data file, or of one that the program is known to have opened."""
        if lib.DATA_FILE.search(text):
            return True
        recorded = self.files.recorded
        return bool(recorded) and self.files.resolve(text, self.context.cwd) in recorded


_WORDS_OF_FORM = re.compile(
    r"^tok|tokeniz|encode|decode|collat|model|loss|tensor|stack|cat$|pad|format|template|chat|convert|prepare|pack|embed|"
    r"print|log|info|debug|dump|save|write|join|str|repr|message|text|prompt|^train(_|$)|forward|ids|ones|zeros|cuda|"
    r"display|head|describe|value_counts|Counter|summary|open|hash|prefetch|repeat|submit|progress|to$|^$",
    re.IGNORECASE,
)
"""Functions that are given rows and choose none."""


_WORDS_OF_CHOICE = re.compile(
    r"filter|select|drop|remove|exclu|split|clean|dedup|subset|keep|skip|limit|trim|contam|without|only|hold_?out|prune|"
    r"mask|choose|pick|where|difference|train_(rows|set|data|part|only)|SQLContext",
    re.IGNORECASE,
)
"""Functions that may leave out rows, whatever else their names say."""


def may_choose(call: Call) -> bool:
    """Return True if an unknown function may choose among rows that it was given."""
    if call.context.world is None or (_WORDS_OF_FORM.search(call.last) and not _WORDS_OF_CHOICE.search(call.last)):
        return False
    values = [*call.all_arguments(), *([call.receiver] if call.receiver is not None else [])]
    return any(is_collection(value) and is_followed(value) for value in values)


LibraryModel = Callable[[Call], Value | None]
"""Returns the result of a call of a function that the model covers, and None for any other call."""


def _is_unsure(path: Value, depth: int = 2) -> bool:
    """Return True if a name of a file may be one of several; a list of names is all of them."""
    parts = path.fields.values() if depth and not path.texts else ()
    return path.ambiguous or len(path.texts) > 1 or any(_is_unsure(part, depth - 1) for part in parts)


def texts_of(value: Value | None) -> list[str]:
    """Return the possible texts of a value and of what it contains, two levels deep."""
    if value is None:
        return []
    texts = sorted(value.texts)
    for part in list(value.fields.values())[:20]:
        texts += sorted(part.texts)
        for inner in list(part.fields.values())[:20]:
            texts += sorted(inner.texts)
    return texts
