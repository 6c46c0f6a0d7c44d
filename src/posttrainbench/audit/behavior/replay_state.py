"""State and report of a replay: the files, their known texts, and the flows found so far."""

import re
from dataclasses import dataclass, field
from pathlib import Path

from posttrainbench.audit.behavior.script_analysis import LONGEST_SCRIPT, Sink
from posttrainbench.audit.behavior.scripts_in_workspace import Script
from posttrainbench.audit.behavior.state import Files
from posttrainbench.audit.behavior.trace import Action
from posttrainbench.audit.behavior.values import Taint, Taints
from posttrainbench.audit.report import TRACE
from posttrainbench.untrusted import UnreadableError, open_regular

MOST_TEXTS = 20_000
MOST_SINKS = 10_000
PROGRESS = re.compile(r"['\"]?(train_)?loss['\"]?\s*[:=]|\bepoch\b|\bstep\s+\d|it/s", re.IGNORECASE)
"""Output of a training run that has begun."""


@dataclass(frozen=True)
class TrainingSink:
    """A training call that the replay reached.

    Attributes:
        sink: the call and the origins of its data.
        executed: False if the script was never started.
        failed: True if the command failed before training began.
        action: line of the command in the trajectory.
    """

    sink: Sink
    executed: bool
    failed: bool = False
    action: int | None = None


Program = tuple[str, int | None]
"""Name of a script that was started, and the line of the command in the trajectory."""


@dataclass(frozen=True)
class LostTraining:
    """An indication that a script trains on held-out rows, if its training's data cannot be followed.

    Attributes:
        program: the script that was started, and the line of the command that started it.
        training: what it trains on, if so.
    """

    program: Program
    training: TrainingSink


@dataclass
class FlowReport:
    """Result of a replay.

    Attributes:
        trained: training calls, in order.
        sources: taint source reached by an executed script or command -> the agent's call that executed it.
        dormant: taint sources in scripts that were never started.
        scripts: label -> script; each analyzed version of a script has its own label.
        unread: script name -> reason why it could not be analyzed.
        executed: names of the scripts that were started.
        missing: paths of scripts that were started but are not available.
        exhausted: names of the scripts that were started and whose analysis took too many steps.
        trains: True if a program shows code that trains.
        others: True if a program loads rows that are not held out, or that are not known.
        silent: programs that may train and of which no training on test data was found.
        followed: programs that train on rows which were followed.
        lost: indications that a program whose training data was not followed trains on held-out rows.
        complete: False if the limit on all steps, or another limit, was reached.
    """

    trained: list[TrainingSink] = field(default_factory=list)
    sources: dict[Taint, Action | None] = field(default_factory=dict)
    dormant: set[Taint] = field(default_factory=set)
    scripts: dict[str, Script] = field(default_factory=dict)
    unread: dict[str, str] = field(default_factory=dict)
    executed: set[str] = field(default_factory=set)
    missing: set[str] = field(default_factory=set)
    exhausted: set[str] = field(default_factory=set)
    lost: list[LostTraining] = field(default_factory=list)
    trains: bool = False
    others: bool = False
    silent: set[Program] = field(default_factory=set)
    followed: set[Program] = field(default_factory=set)
    complete: bool = True


@dataclass
class ReplayState:
    """Files and position of a replay.

    Attributes:
        workspace: the agent's working directory, as it left it.
        files: the abstract file system.
        report: the result so far.
        texts: path -> last text that the agent wrote to it, as far as it may be a script or a configuration.
        action: the agent's call that is replayed; None for scripts that were never started.
        label: script and line that is replayed.
        executed: False while scripts that were never started are analyzed.
    """

    workspace: Path
    files: Files
    report: FlowReport = field(default_factory=FlowReport)
    texts: dict[str, Script] = field(default_factory=dict)
    action: Action | None = None
    label: tuple[str, int] = ("", 0)
    executed: bool = True

    def text_of(self, path: str, cwd: str) -> str:
        """Return the beginning of a file's text, or "" if it is unknown."""
        resolved = self.files.resolve(path, cwd)
        if resolved in self.texts:
            return self.texts[resolved].text
        try:
            with open_regular(self.workspace / resolved) as file:
                return file.read(200_000).decode(errors="replace")
        except (UnreadableError, OSError, ValueError):
            return ""

    def known_text(self, path: str, cwd: str) -> str | None:
        """Return a file's text as the agent wrote it, or None if it is unknown."""
        script = self.texts.get(self.files.resolve(path, cwd))
        return None if script is None else script.text

    def forget_text(self, path: str, cwd: str) -> None:
        """Called when unknown text is written to a file."""
        self.texts.pop(self.files.resolve(path, cwd), None)

    def write_text(self, path: str, text: str, cwd: str = "", *, append: bool = False) -> None:
        """Remember the text that is written to a file."""
        resolved = self.files.resolve(path, cwd)
        if append and (known := self.texts.get(resolved)) is not None:
            text = known.text + text
        if len(text) <= LONGEST_SCRIPT and len(self.texts) < MOST_TEXTS:
            line = self.action.line if self.action else None
            self.texts[resolved] = Script(resolved, text, TRACE, line)

    def add_source(self, taint: Taint) -> None:
        """Record that a taint source was reached."""
        if self.executed:
            self.report.sources.setdefault(taint.source, self.action)
        else:
            self.report.dormant.add(taint.source)

    def add_training(self, how: str, taints: Taints) -> None:
        """Record that the current command trains on data with these taints."""
        self.add_sink(Sink(*self.label, how, taints))

    def add_sink(self, sink: Sink) -> None:
        """Record that a training call was reached."""
        self.add(self.training(sink))

    def training(self, sink: Sink) -> TrainingSink:
        """Return a training call with the command that reached it."""
        action = self.action
        failed = bool(action and action.failed and not PROGRESS.search(action.output))
        return TrainingSink(sink, self.executed, failed, action.line if action else None)

    def add(self, trained: TrainingSink) -> None:
        """Add a training call to the report."""
        if trained not in self.report.trained and len(self.report.trained) < MOST_SINKS:
            self.report.trained.append(trained)
