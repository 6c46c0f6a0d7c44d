"""Inputs and results of the data-flow analysis of one Python script.

`interpreter` is an abstract interpreter over the syntax tree that computes which values may derive from test data or
from the output of a hosted model. Nothing is executed. Statements are interpreted in order, both branches of an unknown
condition, loop bodies twice. Calls of functions in the script, or in scripts that it imports, are interpreted with
their arguments. Conditions do not propagate taint: choosing among rows by comparing them with test data is not a flow.

Covers: the library functions in `library_models`, closures, classes and their instances, command lines (`argparse`),
files.

Does not cover: `eval`, `exec`, `getattr` with computed names, decorators that replace functions, generators that
receive values, threads. An unknown operation passes on the taints of its arguments.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from posttrainbench.audit.behavior import gin_bindings
from posttrainbench.audit.behavior.hazards import is_opaque
from posttrainbench.audit.behavior.rows import World
from posttrainbench.audit.behavior.state import Files
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Scope, Taint, Taints, Value, joined, text_value, unclear
from posttrainbench.audit.split_names import PUBLISHED

LONGEST_SCRIPT = 2**20
"""Characters of the longest script that is analyzed."""
MOST_STEPS = 150_000
"""Statements and expressions interpreted in one analysis."""
SPLITS = ("train", "test", "validation")
_HELD_OUT = re.compile(rf"{PUBLISHED}(_\w+)?(\[|$)")
_MARIMO = re.compile(r"^\w+ *= *marimo\.App\(", re.MULTILINE)
SHORTEST_ITEM = 20
"""Characters of the shortest string literal that may be a test item."""


class NotReadError(Exception):
    """A script cannot be analyzed. The message gives the reason."""


class TooLongError(Exception):
    """The analysis exceeded `MOST_STEPS`."""


@dataclass(frozen=True)
class Sink:
    """A place where a script or command trains on data.

    Attributes:
        script: label of the script.
        line: line of the script, 1-based.
        how: the training call, such as `SFTTrainer(train_dataset=...)`.
        taints: origins of the data.
    """

    script: str
    line: int
    how: str
    taints: Taints


@dataclass
class Trainer:
    """A trainer that was made.

    Attributes:
        script: label of the script that makes it.
        line: line of that script.
        how: the call that makes it.
        value: the trainer, which has its data as a field.
        produced: returns the rows that data produces.
        given: whether it was given training data.
        started: whether it has trained.
    """

    script: str
    line: int
    how: str
    value: Value
    produced: Callable[[Value], Value]
    given: bool = False
    started: bool = False


@dataclass(frozen=True)
class NamedData:
    """Held-out rows in a variable or an argument that is named as training data."""

    script: str
    line: int
    name: str
    taints: Taints


@dataclass
class ScriptResult:
    """Result of the analysis of a script.

    Attributes:
        sinks: places where it trains, on tainted data or not.
        sources: test data and hosted models that it reads from, whether the data is used or not.
        complete: False if the analysis stopped early.
        output: origins of what the script prints.
        trains: True if it certainly has code that trains; trainers that are made only to evaluate do not count.
        others: True if it loads rows that are not held out, or that are not known.
        named: held-out rows under names of training data.
        evaluated: sources of rows under names of held-out data.
        roles: source of test data -> what the names around the place that loads it say of the rows, "" if nothing.
        described: held-out rows that its code describes by data set and split, without loading them.
        described_others: True if it describes other rows of such a data set.
        chosen: splits that are called held out, under names of training data.
        suspected: what it trains on if the data that was not followed is what names and loads suggest.
    """

    sinks: list[Sink] = field(default_factory=list)
    sources: set[Taint] = field(default_factory=set)
    complete: bool = True
    output: Taints = NONE
    trains: bool = False
    others: bool = False
    named: list[NamedData] = field(default_factory=list)
    evaluated: set[Taint] = field(default_factory=set)
    roles: dict[Taint, set[str]] = field(default_factory=dict)
    described: set[Taint] = field(default_factory=set)
    described_others: bool = False
    chosen: set[Taint] = field(default_factory=set)
    suspected: list[Sink] = field(default_factory=list)


class Environment(Protocol):
    """The surroundings of a script: its files, the modules it can import, and the shell."""

    @property
    def files(self) -> Files:
        """The files of the sandbox."""
        ...

    def module(self, name: str, cwd: str) -> tuple[str, str] | None:
        """Return (path, text) of the script that is imported under this name, or None."""
        ...

    def modules(self, pattern: str, cwd: str) -> list[str]:
        """Return the names of the modules that match a name with unknown parts."""
        ...

    def text_of(self, path: str, cwd: str) -> str:
        """Return the beginning of a file's text, or "" if it is unknown."""
        ...

    def text_written(self, path: str, text: str, cwd: str, *, append: bool) -> None:
        """Record the text that is written to a file."""
        ...

    def shell(self, text: str, cwd: str, env: dict[str, str]) -> Taints:
        """Apply shell text to the files and return the origins of its output."""
        ...


@dataclass
class ScriptContext:
    """State of the analysis of one script, shared by the functions and modules that it calls.

    Attributes:
        environment: files, modules and shell.
        script: label of the script.
        cwd: its working directory; `UNKNOWN` if it has changed it to another one that is not known.
        home: its working directory at the start, where it finds modules.
        moves: number of changes of the working directory.
        yielded: the working directory when a generator yielded last.
        argv: the arguments after the script's name; None if they are unknown.
        env: its environment variables.
        stdin: origins of its standard input.
        argv_taints: origins of its arguments.
        literal_lines: lines on which test items are written out.
        literal: taint of the string literals on these lines.
        result: the result, filled during the analysis.
        steps: steps taken so far.
        modules: path -> names of each imported script.
        world: the row that is followed; None in an analysis of all rows.
        doubt: number of enclosing conditions on rows that are not known.
        among_files: whether one of them is about the names of files, in the innermost loop over such names.
        uncertain: number of enclosing conditions that are not known.
        loops: number of enclosing loops whose passes are not followed one by one.
        drains: whether the innermost of these goes on until a list is empty.
        listing: marks of the list, in an unknown order, that the innermost enclosing loop goes over.
        statement: the expression that is a statement of its own, whose result is not used.
        trainers: the trainers that were made.
        columns: the row whose columns an expression of a data frame library names.
        raised: whether a function that was called certainly raises an exception for the row that is followed.
        active: the functions that are being interpreted, from the outermost one.
        popped: what calls took out of rows: bodies of loops are interpreted twice.
        shards: data that the workers of a trainer ask for by name.
        archives: origins of the archives in which modules are looked for.
        roles: what the enclosing assignments, arguments and functions are called: `trained` or `held out`.
        entered: functions and classes that were interpreted.
        computed_modules: names of modules that are imported and of which a part is not known.
        unreached: True while code is interpreted that the program was not seen to reach.
        explores: True if code is interpreted that the program is not seen to reach.
        loads: True if the program was seen to load rows, before code was interpreted that it was not seen to reach.
        bindings: parameters that gin configurations bind, by function and name.
        most_steps: steps from which on the analysis stops.
    """

    environment: Environment
    script: str
    cwd: str = ""
    argv: list[str] | None = None
    env: dict[str, str] = field(default_factory=dict)
    stdin: Taints = NONE
    argv_taints: Taints = NONE
    literal_lines: frozenset[int] = frozenset()
    literal: Taint | None = None
    result: ScriptResult = field(default_factory=ScriptResult)
    steps: int = 0
    modules: dict[str, Scope] = field(default_factory=dict)
    world: World | None = None
    doubt: int = 0
    among_files: bool = False
    uncertain: int = 0
    loops: int = 0
    drains: bool = False
    listing: frozenset[str] = frozenset()
    columns: Value | None = None
    statement: ast.expr | None = None
    trainers: list[Trainer] = field(default_factory=list)
    popped: dict[ast.Call, Value] = field(default_factory=dict)
    shards: dict[str, Value] = field(default_factory=dict)
    roles: list[str] = field(default_factory=list)
    entered: set[ast.AST] = field(default_factory=set)
    computed_modules: set[str] = field(default_factory=set)
    unreached: bool = False
    explores: bool = False
    loads: bool = False
    bindings: dict[str, str] = field(default_factory=dict)
    most_steps: int = MOST_STEPS
    raised: bool = False
    active: list[ast.AST] = field(default_factory=list)
    home: str = ""
    moves: int = 0
    yielded: str = ""
    archives: Taints = NONE

    def __post_init__(self) -> None:
        self.home = self.cwd
        self.bindings = gin_bindings.read(self.argv or [], lambda path: self.environment.text_of(path, self.cwd))
        self.world = self.environment.files.world

    @property
    def follows_everything(self) -> bool:
        """True if all rows are taken for test data, to see how far the analysis follows them."""
        return self.environment.files.test_data.everything

    @property
    def certain(self) -> bool:
        """True if a change of a value certainly happens, for the row that is followed."""
        return self.world is not None and not self.doubt and not self.uncertain

    def change_directory(self, path: str) -> None:
        """Follow a change of the working directory."""
        files = self.environment.files
        self.cwd, self.moves = files.absolute(files.resolve(path, self.cwd)), self.moves + 1
        if UNKNOWN in self.cwd:
            self.cwd = UNKNOWN

    def check_hazards(self, tree: ast.Module) -> None:
        """Record whether a script does what is not followed; see `hazards`."""
        if self.world is not None and not self.world.opaque:
            self.world.opaque = is_opaque(tree)

    def step(self) -> None:
        """Count a step.

        Raises:
            TooLongError: the analysis has taken more than `most_steps` steps.
        """
        self.steps += 1
        if self.steps > self.most_steps:
            raise TooLongError

    def literal_taints(self, node: ast.Constant) -> Taints:
        """Record and return the taint of a string literal of this script in which a test item is written out."""
        if self.literal is None or not isinstance(node.value, str) or len(node.value) < SHORTEST_ITEM:
            return NONE
        last = node.end_lineno or node.lineno
        if any(node.lineno <= line <= last for line in self.literal_lines):
            return self.source(self.literal)
        return NONE

    def source(self, taint: Taint) -> Taints:
        """Record a taint source and return its taint as a set."""
        self.result.sources.add(taint)
        if taint.kind == "test":
            self.result.roles.setdefault(taint, set()).add(self.roles[-1] if self.roles else "")
        return frozenset([taint])

    def doubted(self, value: Value) -> Value:
        """Return a value that is made under the present conditions: perhaps not made, if one is not known."""
        return unclear(value, part="file" if self.among_files else "unclear") if self.doubt else value

    def sink(self, script: str, line: int, how: str, value: Value) -> None:
        """Record that `value` is trained on."""
        taints = self.doubted(value).all()
        self.result.trains = True
        made_here = not taints and _is_made_here(value)
        self.result.others |= made_here
        if made_here and self.follows_everything:
            taints = frozenset([Taint("test", "rows that are written out", script, line)])
        for repo, config in value.all_splits():
            taints |= self.test_rows(repo, config, UNKNOWN, script, line)
        self.result.sinks.append(Sink(script, line, how, taints))

    def start(self, value: Value | None = None) -> None:
        """Record the training of a trainer; of all that have not been started if None."""
        for trainer in self.trainers:
            if trainer.value is value or (value is None and not trainer.started):
                trainer.started = True
                trains = self.result.trains or trainer.given or value is not None
                data = trainer.produced(trainer.value.fields["train_dataset"])
                self.sink(trainer.script, trainer.line, trainer.how, data)
                self.result.trains = trains

    def test_rows(self, repo: str, config: str, split: str, script: str, line: int) -> Taints:
        """Record a data set's split as a source, and return its taint, if its rows may be test items."""
        if self.follows_everything:
            answer: bool | None = True if repo != UNKNOWN else None
        elif repo == UNKNOWN:  # a split that is called held out, of a data set whose name is not known
            base = split.partition("[")[0]
            answer = None if _HELD_OUT.match(split) and UNKNOWN not in base else False
        else:
            base = split.partition("[")[0]  # how many rows are taken may not be known
            chosen = base if UNKNOWN in split and UNKNOWN not in base and "+" not in split else split
            answer = self.environment.files.test_data.repository(repo, config, chosen)
        if answer is False:
            self.result.others = True
            return NONE
        items = None
        if "[:" in split and (end := split.partition("[:")[2].rstrip("]")).isdigit():
            items = int(end)
        shown = "?" if repo == UNKNOWN else repo
        name = f"load_dataset({shown!r}, split={split.replace(UNKNOWN, '?')!r})"
        return self.source(Taint("test", name, script, line, items, answer is True))

    def select_split(self, value: Value, name: Value, script: str, line: int) -> Value:
        """Return the rows of the split `name` of data sets whose split was not chosen before."""
        taints = value.taints
        for repo, config in value.splits:
            for text in name.texts or {UNKNOWN}:
                taints |= self.test_rows(repo, config, text, script, line)
        return Value(taints, whole=True)

    def split_rows(self, value: Value, script: str, line: int) -> dict[str, Value]:
        """Return the rows of each split of data sets whose split was not chosen before."""
        known = replace(value, splits=frozenset(one for one in value.splits if one[0] != UNKNOWN))
        return {name: self.select_split(known, text_value(name), script, line) for name in SPLITS}

    def element(self, value: Value, script: str) -> Value:
        """Return the join of the elements that iterating over a value gives."""
        inner = value.fields.get(UNKNOWN)
        if self.world is not None and inner is not None:
            return inner
        if value.splits:
            rows = self.select_split(value, Value(), script, 0)
            return joined(Value(value.all(), handles=value.handles), rows)
        if inner is not None:
            numbered = [part for name, part in list(value.fields.items())[:20] if name.isdigit()]
            inner = joined(inner, *numbered) if numbered else inner
            return joined(inner, Value(value.taints)) if value.taints - inner.all() else inner
        if value.fields:
            parts = [part for name, part in value.fields.items() if name.isdigit()]
            if parts and not value.taints:
                return joined(*parts[:20])
        texts = frozenset(text for text in value.texts if "/" in text or "*" in text)
        return Value(value.all(), texts=texts, handles=value.handles)

    def variable(self, name: Value) -> Value:
        """Return the value of an environment variable."""
        texts = frozenset(self.env[key] for key in name.texts if key in self.env)
        return Value(texts=texts, names=frozenset(f"os.environ[{key}]" for key in name.texts))


def _is_made_here(value: Value) -> bool:
    """Return True for a list of rows that the program makes itself."""
    elements = [part for name, part in value.fields.items() if name == UNKNOWN or name.isdigit()]
    return any(part.fields or part.texts for part in elements) and not any(
        part.functions for part in value.fields.values()
    )


def _with_cells(tree: ast.Module) -> ast.Module:
    """Replace the cells of a marimo notebook, which are functions, by their statements."""
    body: list[ast.stmt] = []
    for statement in tree.body:
        decorators = getattr(statement, "decorator_list", [])
        called = [one.func if isinstance(one, ast.Call) else one for one in decorators]
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef) and any(
            isinstance(one, ast.Attribute) and one.attr == "cell" for one in called
        ):
            body += [inner for inner in statement.body if not isinstance(inner, ast.Return)]
        else:
            body.append(statement)
    tree.body = body
    return tree


def parse(text: str) -> ast.Module:
    """Return the syntax tree of a script; notebook magics (`!`, `%`) are replaced by `pass`.

    Cells of a marimo notebook are read as statements of the script, in their order in the file.

    Raises:
        NotReadError: the script is too large, is not Python 3, or is nested too deeply.
    """
    if len(text) > LONGEST_SCRIPT:
        raise NotReadError("larger than 1 MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                tree = ast.parse(text)
                return _with_cells(tree) if _MARIMO.search(text) else tree
            except SyntaxError:
                lines = [
                    line[: len(line) - len(bare)] + "pass" if (bare := line.lstrip()).startswith(("!", "%")) else line
                    for line in text.split("\n")
                ]
                return ast.parse("\n".join(lines))
    except SyntaxError as error:
        raise NotReadError(f"not valid Python 3 (line {error.lineno})") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise NotReadError(f"cannot be parsed ({type(error).__name__})") from None
