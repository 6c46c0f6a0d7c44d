"""Replay the agent's calls in order and follow data from its sources to training.

Each command is interpreted over an abstract file system that tracks the provenance of every file. Scripts are analyzed
in the version in which they were started: the text from the trace if the agent wrote them there, else the file in the
workspace. What the agent started counts as executed. Scripts that were never started are analyzed last; their writes
are added to the existing content of files instead of replacing it.
"""

import ast
from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Any

from typing_extensions import override

from posttrainbench.audit.behavior import interpreter
from posttrainbench.audit.behavior.commands import DataCommand, unwrapped
from posttrainbench.audit.behavior.evaluations import EVALUATE, evaluation_logs
from posttrainbench.audit.behavior.inline_items import InlineItems
from posttrainbench.audit.behavior.libraries import CALLED_TRAINING
from posttrainbench.audit.behavior.library_models import LIBRARY_MODELS
from posttrainbench.audit.behavior.lost_flows import is_published
from posttrainbench.audit.behavior.programs import Starter, run_program
from posttrainbench.audit.behavior.replay_state import PROGRESS, FlowReport, LostTraining, Program, ReplayState
from posttrainbench.audit.behavior.script_analysis import NotReadError, ScriptContext, Sink, parse
from posttrainbench.audit.behavior.script_finder import ScriptFinder
from posttrainbench.audit.behavior.scripts_in_workspace import SUFFIXES, Script, digest_of, notebook_code
from posttrainbench.audit.behavior.shell import Shell
from posttrainbench.audit.behavior.shell_commands import Host, SimpleCommand
from posttrainbench.audit.behavior.shell_words import EMPTY, Stream
from posttrainbench.audit.behavior.state import Files
from posttrainbench.audit.behavior.test_sets import TestData
from posttrainbench.audit.behavior.trace import Action
from posttrainbench.audit.behavior.values import NONE, Taint, Taints, unsure
from posttrainbench.audit.evidence import Evidence
from posttrainbench.audit.report import TRACE

MOST_STEPS = 4_000_000
"""Steps of all analyses together. Scripts that are reached later are not analyzed."""
COMMAND_STEPS = 20
"""Steps that a simple command counts as."""
CHARACTERS_PER_STEP = 50
"""Characters that are parsed in about the time of one step."""
MOST_NESTED_CALLS = 6
"""Scripts and shell texts that start each other."""
ROUNDS = 3
"""Passes over the scripts that were never started."""
_PARSED = 300
"""Syntax trees that are kept."""


class Replay(Host, Starter):
    """A replay of one run. It is the `Environment` of the analyzed scripts."""

    def __init__(
        self,
        evidence: Evidence,
        inline_items: Mapping[str, InlineItems] | None = None,
    ) -> None:
        """Prepare a replay.

        Args:
            evidence: the run.
            inline_items: SHA-256 of a text of the trace -> test items written out in it.
        """
        paths = evidence.sandbox_paths
        kits = tuple(dict.fromkeys(path for path in (paths.get("kit", ""), str(evidence.kit)) if path))
        folders = tuple(dict.fromkeys(path for path in (paths.get("workspace", ""), str(evidence.workspace)) if path))
        files = Files(
            TestData(evidence.spec.benchmark, kits, evaluation_logs(evidence)),
            folders,
            {"PTB_KIT": kits[0] if kits else ""},
        )
        self.state = ReplayState(evidence.workspace, files)
        self.report = self.state.report
        self.trace = evidence.trace
        self.workspace_scripts = evidence.scripts.scripts
        self._finder = ScriptFinder(self.state, self.workspace_scripts)
        self._inline_items = inline_items or {}
        self._trees: OrderedDict[str, ast.Module] = OrderedDict()
        self._analyzed: set[tuple[Any, ...]] = set()
        self._executed_digests: set[str] = set()
        self.steps = 0
        self._depth = 0
        self._evidence = evidence
        self._explored: Collection[Program] = ()
        self._configures = False

    def analyze(self) -> FlowReport:
        """Replay all calls, analyze the scripts that were never started, and return the result."""
        self.replay_actions()
        if self.files.world is None:
            self._suspect_lost_data()
        self._unexecuted_scripts()
        return self.report

    def replay_actions(self) -> None:
        """Replay the agent's calls in order."""
        for action in self.trace.actions:
            self._replay_action(action)

    def _suspect_lost_data(self) -> None:
        """Add what indicates that programs whose training data was not followed were given held-out rows.

        A complete record of file provenance shows what was trained on.
        """
        graph = self._evidence.provenance
        if not self.report.silent or (graph is not None and not graph.missing):
            return
        everything = Replay(self._evidence, self._inline_items)
        everything.files.test_data = replace(everything.files.test_data, everything=True)
        everything.replay_actions()
        lost = self.report.silent - everything.report.followed
        if not lost:
            return
        self._suspect_only_data()
        exploring = Replay(self._evidence, self._inline_items)
        exploring._explored = lost
        exploring.replay_actions()
        for one in exploring.report.lost:
            if one.program in lost:
                self.state.add(one.training)

    def _suspect_only_data(self) -> None:
        """Add an indication if held-out rows, which were stored, are the only rows that were seen to be loaded."""
        report = self.report
        trained = [one for one in report.trained if one.executed and not one.failed]
        trains = trained or report.trains or any(map(CALLED_TRAINING.search, report.missing))
        stored = frozenset(taint for taint in self.files.stored if taint.kind == "test" and is_published(taint))
        if not trains or report.others or not stored or any(one.sink.taints for one in trained):
            return
        first = min(stored, key=lambda taint: (taint.script, taint.line))
        how = "a run that trains on data that was not followed, and loads no rows that are not held out"
        self.state.add(self.state.training(Sink(first.script, first.line, how, unsure(stored))))

    def _replay_action(self, action: Action) -> None:
        state = self.state
        state.action, state.label = action, (f"step at line {action.line}", 1)
        if action.kind == "write":
            text = notebook_code(action.text) if action.path.endswith(".ipynb") else action.text
            self.files.write(action.path, NONE)
            state.write_text(action.path, text)
        elif action.kind == "edit":
            self._edit(action)
        elif action.kind == "command":
            name = state.label[0]
            self.report.scripts[name] = Script(name, action.text, TRACE, action.line)
            self.shell(action.text, "", {"PTB_KIT": self.files.variables["PTB_KIT"]})

    def _edit(self, action: Action) -> None:
        resolved = self.files.resolve(action.path)
        known = self.state.texts.get(resolved)
        if known is None or (action.old and action.old not in known.text):
            self.state.texts.pop(resolved, None)  # unknown previous text: fall back to the workspace
        else:
            text = known.text.replace(action.old, action.text, 1) if action.old else known.text + action.text
            self.state.write_text(action.path, text)

    def _unexecuted_scripts(self) -> None:
        """Analyze the scripts that were never started."""
        self.state.executed, self.state.action = False, None
        self.files.weak = True
        scripts = {script.name: script for script in [*self.workspace_scripts.values(), *self.state.texts.values()]}
        unexecuted = [
            script
            for script in scripts.values()
            if digest_of(script.text) not in self._executed_digests
            and ("." not in (name := PurePosixPath(script.name)).name or name.suffix in SUFFIXES)
        ]
        for _ in range(ROUNDS):
            before = self.files.version
            for script in unexecuted:
                if script.name.endswith((".sh", ".bash")):
                    self.state.label = (script.name, 1)
                    self.report.scripts.setdefault(script.name, script)
                    self.shell(script.text, "", {})
                else:
                    self._analyze_script(script, "", None, {}, (NONE, NONE))
            if self.files.version == before or not self.report.complete:
                break

    # --- environment of scripts ---

    @property
    def files(self) -> Files:
        """The abstract file system."""
        return self.state.files

    def module(self, name: str, cwd: str) -> tuple[str, str] | None:
        """Return (path, text) of the script that is imported under this name, or None."""
        script = self._finder.module(name, cwd)
        if script is None:
            return None
        self.report.scripts.setdefault(script.name, script)
        return script.name, script.text

    def modules(self, pattern: str, cwd: str) -> list[str]:
        """Return the names of the modules that match a name with unknown parts."""
        return self._finder.modules(pattern, cwd)

    def text_of(self, path: str, cwd: str) -> str:
        """Return the beginning of a file's text, or "" if it is unknown."""
        return self.state.text_of(path, cwd)

    def text_written(self, path: str, text: str, cwd: str, *, append: bool) -> None:
        """Record the text that is written to a file."""
        if self.state.executed:
            self.state.write_text(path, text, cwd, append=append)

    def shell(self, text: str, cwd: str, env: dict[str, str]) -> Taints:
        """Apply shell text to the files and return the taints of its output."""
        return self.shell_text(text, cwd, env).taints

    @override
    def shell_text(
        self, text: str, cwd: str, env: dict[str, str], stdin: Stream = EMPTY, arguments: Sequence[str] = ()
    ) -> Stream:
        """Apply shell text to the files and return its output."""
        if self._depth >= MOST_NESTED_CALLS or self._is_late():
            return Stream()
        self.steps += len(text) // CHARACTERS_PER_STEP
        shell = Shell(self, cwd, positional=[Stream(NONE, word) for word in arguments])
        shell.set_environment(env)
        self._depth += 1
        label = self.state.label
        try:
            return shell.run_text(text, stdin)
        except RecursionError:
            self.report.complete = False
            return Stream()
        finally:
            self._depth -= 1
            self.state.label = label

    # --- commands ---

    @override
    def run(self, command: SimpleCommand, stdin: Stream) -> Stream:
        """Apply a simple command to the files and return its output."""
        self.steps += COMMAND_STEPS
        self.state.label = (self.state.label[0], command.line)
        command.env = (command.shell.environment() if command.shell else {}) | command.env
        words = unwrapped(command)
        if not words:
            return stdin
        return run_program(self, words[0], words[1:], DataCommand(self.state, command), stdin)

    @override
    def read_file(self, path: str, cwd: str) -> Stream:
        """Return the content of a file."""
        return Stream(self.files.read(path, *self.state.label, cwd), self.state.known_text(path, cwd))

    @override
    def write_file(self, path: str, content: Stream, cwd: str, *, append: bool) -> None:
        """Write the content of a file."""
        self.files.write(path, content.taints, cwd, append=append)
        if content.text is not None:
            self.state.write_text(path, content.text, cwd, append=append)
        elif not append:
            self.state.forget_text(path, cwd)

    @override
    def matching(self, pattern: str, cwd: str) -> list[str]:
        """Return the known files that match a pattern."""
        return self.files.matching(pattern, cwd, self.state.texts)

    @override
    @contextmanager
    def optional(self) -> Iterator[None]:
        """Return a context for commands that may not be executed: their writes add to the content of files."""
        weak, self.files.weak = self.files.weak, True
        try:
            yield
        finally:
            self.files.weak = weak

    @override
    def unread(self, reason: str, *, stopped: bool) -> None:
        """Record that a text was not read in part; `stopped`: because a limit was reached."""
        self.report.unread.setdefault(self.state.label[0], reason)
        if stopped:
            self.report.complete = False

    # --- scripts ---

    @override
    def python(self, path: str, argv: list[str], command: SimpleCommand, stdin: Stream) -> Stream:
        """Analyze a Python script that is started by its path, and return its output."""
        script = self.find_script(path, command.cwd)
        started = [word for word in argv if word.endswith(".py") and CALLED_TRAINING.search(word)]  # by a launcher
        self.report.trains |= bool(started) and self.state.executed
        if script is None:
            resolved = self.files.resolve(path, command.cwd)
            if resolved.rsplit("/", 1)[-1] == EVALUATE:
                return DataCommand(self.state, command).evaluated(EVALUATE, argv)
            if not any(resolved.startswith(kit) for kit in self.files.test_data.kits) and not resolved.startswith("/"):
                self.report.missing.add(resolved)
            return Stream()
        return self._started(script, argv, command, stdin)

    @override
    def configuration(self, path: str, command: SimpleCommand) -> None:
        """Analyze a Python script that configures a program which trains."""
        if (script := self.find_script(path, command.cwd)) is not None:
            self._configures = True
            self._started(script, [], command, EMPTY)
            self._configures = False

    @override
    def python_text(self, text: str, argv: list[str], command: SimpleCommand, stdin: Stream) -> Stream:
        """Analyze a Python program from `-c` or standard input, and return its output."""
        label, line = self.state.label
        action = self.state.action
        script = Script(f"{label}: {digest_of(text)[:6]}", text, TRACE, action.line if action else None)
        if action is None and (outer := self.report.scripts.get(label)) is not None:
            script = Script(script.name, text, outer.file, line)
        return self._started(script, argv, command, stdin)

    def _started(self, script: Script, argv: list[str], command: SimpleCommand, stdin: Stream) -> Stream:
        origins = (stdin.taints, command.taints)
        return Stream(self._analyze_script(script, command.cwd, argv, command.env, origins))

    @override
    def shell_script(
        self, path: str, arguments: list[str], command: SimpleCommand, stdin: Stream, *, sourced: bool = False
    ) -> Stream:
        script = self.find_script(path, command.cwd)
        if script is None:
            return Stream()
        if script.name.endswith(".py"):
            return self._started(script, arguments, command, stdin)
        if self.state.executed:
            self.report.executed.add(script.name)
            self._executed_digests.add(digest_of(script.text))
        label, self.state.label = self.state.label, (script.name, 1)
        self.report.scripts.setdefault(script.name, script)
        try:
            if sourced and command.shell is not None:
                return command.shell.evaluate(script.text, stdin)
            return self.shell_text(script.text, command.cwd, command.env, stdin, arguments)
        finally:
            self.state.label = label

    @override
    def find_script(self, path: str, cwd: str) -> Script | None:
        """Return the script at a path, or the only one whose path ends with the same file name."""
        return self._finder.at(path, cwd)

    def _analyze_script(
        self, script: Script, cwd: str, argv: list[str] | None, env: dict[str, str], origins: tuple[Taints, Taints]
    ) -> Taints:
        """Analyze a script and return the origins of its output; `origins`: of its input and of its arguments."""
        digest = digest_of(script.text)
        state, report = self.state, self.report
        if state.executed:
            report.executed.add(script.name)
            self._executed_digests.add(digest)
        if self._is_late():
            return NONE
        failed = state.action.failed if state.action else None  # such as for lack of memory; it is then started again
        key = (digest, script.name, cwd, tuple(argv or ()), argv is None, origins, state.executed, failed)
        if (*key, self.files.version) in self._analyzed or self._depth >= MOST_NESTED_CALLS:
            return NONE
        self.steps += len(script.text) // CHARACTERS_PER_STEP
        try:
            tree = self._tree(digest, script.text)
        except NotReadError as error:
            report.unread[script.name] = str(error)
            return NONE
        # Each version of a script has its own label, so that quotations come from the right text.
        label = script.name
        if (known := report.scripts.get(label)) is not None and known.text != script.text:
            label = f"{script.name} ({digest[:6]})"
        report.scripts[label] = script
        program = (script.name, state.action.line if state.action else None)
        context = ScriptContext(self, label, cwd, argv, dict(env), *origins)
        context.explores = state.executed and program in self._explored
        if (items := self._inline_items.get(digest)) is not None:
            first = min(items.lines, default=1)
            context.literal_lines = items.lines
            context.literal = Taint("test", f"{items.items} test item(s) written out", label, first, items.items)
        self._depth += 1
        outer, state.label = state.label, (label, 1)
        try:
            result = interpreter.analyze(tree, context, LIBRARY_MODELS)
        finally:
            self._depth -= 1
            self.steps += context.steps
            state.label = outer
        if not result.complete:
            report.unread[script.name] = "its analysis took too many steps"
            if state.executed:
                report.exhausted.add(script.name)
        if self._configures and result.described and not result.described_others:
            taint = min(result.described, key=lambda one: (one.script, one.line))
            how = "a configuration of training that describes no rows that are not held out"
            result.sinks.append(Sink(taint.script, taint.line, how, frozenset(result.described)))
        for sink in result.sinks:
            state.add_sink(sink)
        report.trains |= result.trains and state.executed
        report.others |= result.others and state.executed
        if any(taint.kind == "test" and taint.sure for sink in result.sinks for taint in sink.taints):
            report.followed.add(program)
        elif state.executed and (result.trains or result.sinks or not result.complete or self._shows_progress()):
            report.silent.add(program)
        report.lost += [LostTraining(program, state.training(sink)) for sink in result.suspected]
        for taint in result.sources:
            state.add_source(taint)
        self._analyzed.add((*key, self.files.version))
        return result.output

    def _shows_progress(self) -> bool:
        """Return True if the output of the current command is that of a training."""
        return self.state.action is not None and PROGRESS.search(self.state.action.output) is not None

    def _tree(self, digest: str, text: str) -> ast.Module:
        tree = self._trees.get(digest)
        if tree is None:
            tree = self._trees[digest] = parse(text)
            if len(self._trees) > _PARSED:
                self._trees.popitem(last=False)
        return tree

    def _is_late(self) -> bool:
        if self.steps > MOST_STEPS:
            self.report.complete = False
        return not self.report.complete
