"""Goes through what the agent did, in order, and follows data from its sources to training.

Each command is carried out on a picture of the files that knows where their content came from; scripts are read as they
stood when they were started, from the trace where they were written there, else from the workspace. What was started is
`executed`; afterwards all scripts that never were are read too, with what they may have done beside the rest.
"""

import re
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.conduct import python
from posttrainbench.audit.conduct.commands import Effects
from posttrainbench.audit.conduct.gather import Gathered, Script, notebook_code
from posttrainbench.audit.conduct.literals import Written, digest_of
from posttrainbench.audit.conduct.python import NotReadError, Run, Sink
from posttrainbench.audit.conduct.shell import Simple, parse, substitutions
from posttrainbench.audit.conduct.state import Files
from posttrainbench.audit.conduct.test_sets import TestData
from posttrainbench.audit.conduct.trace import Action, Trace
from posttrainbench.audit.conduct.values import NONE, Taint, Taints
from posttrainbench.audit.untrusted import UnreadableError, open_regular, read_json

SECONDS = 60.0
"""After which no more scripts are read."""
DEEPEST = 6
MOST_COMMANDS = 5000
"""Simple commands of one call or script."""
ROUNDS = 3
_PARSED = 300
_PROGRESS = re.compile(r"['\"]?(train_)?loss['\"]?\s*[:=]|\bepoch\b|\bstep\s+\d|it/s", re.IGNORECASE)
_TRACE = "solve/trajectory.json"


@dataclass(frozen=True)
class Trained:
    """Something was trained on.

    Attributes:
        executed: whether that was done, as far as the trace tells.
        failed: whether the command failed before it had begun to train.
        action: line of the trajectory.
    """

    sink: Sink
    executed: bool
    failed: bool = False
    action: int | None = None


@dataclass
class Story:
    """What the replay found.

    Attributes:
        trained: in order.
        sources: what was run took from test data or hosted models -> the call of the agent's that ran it.
        dormant: the same of what was never run.
        scripts: label -> script; of scripts that changed, each version that was read.
        unread: name -> why a script could not be analysed.
        executed: names of the scripts that were started.
        missing: scripts that were started and are nowhere.
        complete: False where time ran out.
    """

    trained: list[Trained] = field(default_factory=list)
    sources: dict[Taint, Action | None] = field(default_factory=dict)
    dormant: set[Taint] = field(default_factory=set)
    scripts: dict[str, Script] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    executed: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    complete: bool = True


class Replay:
    """See the module's docstring. It is the host of the scripts and the starter of the commands."""

    def __init__(
        self, evidence: AuditInput, trace: Trace, gathered: Gathered, written: Mapping[str, Written] | None = None
    ) -> None:
        """`written`: which texts of the trace hold test items, by `literals`."""
        seen = seen_paths(evidence)
        kits = tuple(dict.fromkeys(p for p in (seen.get("kit", ""), str(evidence.kit)) if p))
        workspaces = tuple(dict.fromkeys(p for p in (seen.get("workspace", ""), str(evidence.workspace)) if p))
        self.files = Files(
            TestData(evidence.spec.benchmark, kits),
            workspaces,
            {"PTB_KIT": kits[0] if kits else ""},
        )
        self.evidence = evidence
        self.trace = trace
        self.found = gathered.scripts
        self.story = Story()
        self.written = written or {}
        self._texts: dict[str, Script] = {}
        self._trees: OrderedDict[str, Any] = OrderedDict()
        self._done: set[tuple[Any, ...]] = set()
        self._digests: set[str] = set()
        self._end = time.monotonic() + SECONDS
        self._depth = 0
        self._executed = True
        self._action: Action | None = None
        self._label = ("", 0)

    def tell(self) -> Story:
        """Go through everything."""
        for action in self.trace.actions:
            self._step(action)
        self._rest()
        return self.story

    # --- in order ---

    def _step(self, action: Action) -> None:
        self._action = action
        self._label = (f"step at line {action.line}", 1)
        if action.kind == "write":
            text = notebook_code(action.text) if action.path.endswith(".ipynb") else action.text
            self.files.write(action.path, NONE)
            self.wrote(action.path, text, "", False)
        elif action.kind == "edit":
            self._edit(action)
        elif action.kind == "command":
            self.story.scripts[self._label[0]] = Script(self._label[0], action.text, _TRACE, action.line)
            self.shell(action.text, "", {"PTB_KIT": self.files.variables["PTB_KIT"]})

    def _edit(self, action: Action) -> None:
        place = self.files.place(action.path)
        known = self._texts.get(place)
        if known is None or (action.old and action.old not in known.text):
            self._texts.pop(place, None)  # it was changed in a way that is not known: its last state is what there is
        else:
            text = known.text.replace(action.old, action.text, 1) if action.old else known.text + action.text
            self.wrote(action.path, text, "", False)

    def _rest(self) -> None:
        """The scripts that were never started."""
        self._executed, self._action = False, None
        self.files.weak = True
        rest = {script.name: script for script in [*self.found.values(), *self._texts.values()]}
        waiting = [s for s in rest.values() if digest_of(s.text) not in self._digests]
        for _ in range(ROUNDS):
            before = self.files.version
            for script in waiting:
                if script.name.endswith((".sh", ".bash")):
                    self._label = (script.name, 1)
                    self.story.scripts.setdefault(script.name, script)
                    self.shell(script.text, "", {})
                else:
                    self._analyse(script, "", None, {}, NONE)
            if self.files.version == before or not self.story.complete:
                break

    # --- host of scripts ---

    def module(self, name: str, cwd: str) -> tuple[str, str] | None:
        """A script of the workspace that can be imported by this name."""
        path = name.lstrip(".").replace(".", "/")
        for candidate in (f"{path}.py", f"{path}/__init__.py"):
            script = self._script(candidate, cwd, loose=False)
            if script is not None:
                self.story.scripts.setdefault(script.name, script)
                return script.name, script.text
        return None

    def shell(self, text: str, cwd: str, env: dict[str, str]) -> Taints:
        """Carry out shell text; the origins of what it prints."""
        if self._depth >= DEEPEST or self._is_late():
            return NONE
        self._depth += 1
        label = self._label
        try:
            variables = dict(env)
            printed, all_printed = NONE, NONE
            for number, command in enumerate(parse(text, variables, cwd)):
                if number > MOST_COMMANDS:
                    self.story.complete = False
                    break
                self._label = (label[0], _line_of(text, command))
                command.env = {k: v for k, v in variables.items() if k.isupper()} | command.env
                stdin = printed if command.piped else NONE
                for word in command.words:
                    for inner in substitutions(word) if "$(" in word else ():
                        stdin |= self.shell(inner, command.cwd, command.env)
                printed = Effects(self, command).run(stdin)
                all_printed |= printed
            return all_printed
        except RecursionError:
            self.story.complete = False
            return NONE
        finally:
            self._depth -= 1
            self._label = label

    # --- starter of commands ---

    def python(self, path: str, argv: list[str], command: Simple, stdin: Taints) -> Taints:
        """See `Starter.python`."""
        script = self._script(path, command.cwd)
        if script is None:
            place = self.files.place(path, command.cwd)
            if not any(place.startswith(kit) for kit in self.files.test_data.kits) and not place.startswith("/"):
                self.story.missing.add(place)
            return NONE
        return self._analyse(script, command.cwd, argv, command.env, stdin)

    def python_text(self, text: str, argv: list[str], command: Simple, stdin: Taints) -> Taints:
        """See `Starter.python_text`."""
        line = self._action.line if self._action else None
        script = Script(f"{self._label[0]}: {digest_of(text)[:6]}", text, _TRACE, line)
        if self._action is None and (outer := self.story.scripts.get(self._label[0])) is not None:
            script = Script(script.name, text, outer.file, self._label[1])
        return self._analyse(script, command.cwd, argv, command.env, stdin)

    def script(self, path: str, command: Simple) -> Taints:
        """See `Starter.script`."""
        script = self._script(path, command.cwd)
        if script is None or script.name.endswith(".py"):
            return self._analyse(script, command.cwd, [], command.env, NONE) if script else NONE
        if self._executed:
            self.story.executed.add(script.name)
            self._digests.add(digest_of(script.text))
        label, self._label = self._label, (script.name, 1)
        self.story.scripts.setdefault(script.name, script)
        try:
            return self.shell(script.text, command.cwd, command.env)
        finally:
            self._label = label

    def text_of(self, path: str, cwd: str) -> str:
        """See `Starter.text_of`."""
        place = self.files.place(path, cwd)
        if place in self._texts:
            return self._texts[place].text
        try:
            with open_regular(self.evidence.workspace / place) as file:
                return file.read(200_000).decode(errors="replace")
        except (UnreadableError, OSError, ValueError):
            return ""

    def trained(self, how: str, taints: Taints) -> None:
        """See `Starter.trained`."""
        self._sink(Sink(self._label[0], self._label[1], how, taints))

    def wrote(self, path: str, text: str, cwd: str, append: bool) -> None:
        """See `Starter.wrote`: kept where it may be a script or a configuration."""
        place = self.files.place(path, cwd)
        if append and (known := self._texts.get(place)) is not None:
            text = f"{known.text}{text}\n"
        if len(text) <= python.LONGEST_SCRIPT and len(self._texts) < 20_000:
            line = self._action.line if self._action else None
            self._texts[place] = Script(place, text, _TRACE, line)

    def source(self, taint: Taint) -> None:
        """See `Starter.source`."""
        if self._executed:
            self.story.sources.setdefault(taint, self._action)
        else:
            self.story.dormant.add(taint)

    def label(self) -> tuple[str, int]:
        """See `Starter.label`."""
        return self._label

    # --- scripts ---

    def _script(self, path: str, cwd: str, loose: bool = True) -> Script | None:
        place = self.files.place(path, cwd)
        for name in dict.fromkeys((place, self.files.place(path))):
            if name in self._texts:
                return self._texts[name]
            if name in self.found:
                return self.found[name]
        if not loose or (place.startswith("/") and any(place.startswith(kit) for kit in self.files.test_data.kits)):
            return None
        end = "/" + place.lstrip("./").rsplit("/", 1)[-1]
        alike = [script for name, script in (self.found | self._texts).items() if f"/{name}".endswith(end)]
        return alike[-1] if len({script.name for script in alike}) == 1 else None

    def _analyse(self, script: Script, cwd: str, argv: list[str] | None, env: dict[str, str], stdin: Taints) -> Taints:
        digest = digest_of(script.text)
        if self._executed:
            self.story.executed.add(script.name)
            self._digests.add(digest)
        if self._is_late():
            return NONE
        key = (digest, script.name, cwd, tuple(argv or ()), argv is None, stdin, self.files.version, self._executed)
        if key in self._done or self._depth >= DEEPEST:
            return NONE
        try:
            tree = self._tree(digest, script.text)
        except NotReadError as error:
            self.story.unread[script.name] = str(error)
            return NONE
        # Two versions of a script have labels of their own, so that each is quoted from its own text.
        label = script.name
        if (known := self.story.scripts.get(label)) is not None and known.text != script.text:
            label = f"{script.name} ({digest[:6]})"
        self.story.scripts[label] = script
        run = Run(self, label, cwd, argv, dict(env), stdin)
        if (items := self.written.get(digest)) is not None:
            run.literal_lines = items.lines
            run.literal = _written_out(items, label, min(items.lines, default=1))
        self._depth += 1
        outer, self._label = self._label, (label, 1)
        try:
            read = python.analyse(tree, run)
        finally:
            self._depth -= 1
            self._label = outer
        if not read.complete:
            self.story.unread[script.name] = "its analysis took too many steps"
        for sink in read.sinks:
            self._sink(sink)
        for taint in read.sources:
            self.source(taint)
        self._done.add((*key[:6], self.files.version, self._executed))
        return read.output

    def _sink(self, sink: Sink) -> None:
        action = self._action
        failed = bool(action and action.failed and not _PROGRESS.search(action.output))
        trained = Trained(sink, self._executed, failed, action.line if action else None)
        if trained not in self.story.trained and len(self.story.trained) < 10_000:
            self.story.trained.append(trained)

    def _tree(self, digest: str, text: str) -> Any:
        tree = self._trees.get(digest)
        if tree is None:
            tree = self._trees[digest] = python.parse(text)
            if len(self._trees) > _PARSED:
                self._trees.popitem(last=False)
        return tree

    def _is_late(self) -> bool:
        if time.monotonic() > self._end:
            self.story.complete = False
        return not self.story.complete


def seen_paths(evidence: AuditInput) -> dict[str, str]:
    """Paths as the sandbox showed them, from the kit."""
    try:
        task = read_json(evidence.kit / "task.json", 2**20)
    except UnreadableError:
        return {}
    if not isinstance(task, dict):
        return {}
    return {key: value for key in ("kit", "workspace") if isinstance(value := task.get(key), str)}


def _written_out(items: Written, label: str, line: int) -> Taint:
    return Taint("test", f"{items.items} test item(s) written out", label, line, items.items)


def _line_of(text: str, command: Simple) -> int:
    place = text.find(command.words[0]) if command.words else -1
    for word in command.words[1:2]:
        place = max(place, text.find(word))
    return text.count("\n", 0, place) + 1 if place >= 0 else 1
