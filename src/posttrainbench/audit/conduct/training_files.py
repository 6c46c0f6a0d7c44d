"""Which files of the workspace were read into training, in what was run.

The commands are replayed as `scripts` does it, with each file as a source of its own. A file that reached a training is
training data, whatever it is called. That another file reached none is known only of a run that was followed `whole`.

A run is whole if the trace is complete, each of its commands is known, each program stands in the trace and reads only
files whose names are known, by libraries that are known, and each training got its data from such files. Even so a file
was only looked at if no program read it but such as print.

Does not cover: what `replay` does not cover, and a working directory that a scaffold keeps between calls.
"""

import re
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from posttrainbench.audit.base import AuditInput
from posttrainbench.audit.conduct import python
from posttrainbench.audit.conduct.closed import is_closed, only_prints
from posttrainbench.audit.conduct.gather import Gathered, gather
from posttrainbench.audit.conduct.known_commands import is_known
from posttrainbench.audit.conduct.python import NotReadError
from posttrainbench.audit.conduct.replay import Replay
from posttrainbench.audit.conduct.shell import Simple, parse
from posttrainbench.audit.conduct.source_files import MOST_PATTERNS, UNCERTAIN, Places, SourceFiles, fits, places_of
from posttrainbench.audit.conduct.trace import Trace, read_trace, steps
from posttrainbench.audit.conduct.values import Taints
from posttrainbench.trajectory.render import SHELLS

_TRACE = "solve/trajectory.json"
# Tools that run nothing, or whose calls stand in the trace as commands and files.
_TOOLS = SHELLS | frozenset(
    "read write edit multiedit glob grep ls todowrite todoread websearch webfetch bashoutput killshell killbash task "
    "agent exitplanmode toolsearch update_plan read_file read_many_files list_directory search_file_content "
    "google_web_search web_search web_fetch write_file replace view view_image".split()
)
_NOT_FOLLOWED = re.compile(r"<\(|>\(|\b(?:sed|perl)\s+(?:-\w+\s+)*-\w*i|\bfunction\s|\(\)\s*\{|`|\w=[\"']?\$\(")
_CHANGES_PLACE = re.compile(r"(?:^|[\s;&|(])(?:cd|pushd)\s+([^\s;&|)]+)")


@dataclass(frozen=True)
class TrainingFiles:
    """What was read into training.

    Attributes:
        read: files and patterns of them, relative to the workspace, that were trained on.
        maybe: the same of what may have been, or was read by a program that does more than print.
        whole: whether nothing else can have been trained on.
        problem: why nothing could be followed.
    """

    read: frozenset[str] = frozenset()
    maybe: frozenset[str] = frozenset()
    whole: bool = False
    problem: str = ""

    def trained_on(self, name: str) -> bool:
        """Whether the workspace's file `name` was trained on."""
        return name in self.read or any(fits(name, place) for place in self._patterns)

    def only_looked_at(self, name: str) -> bool:
        """Whether it is certain that nothing trained on the workspace's file `name`."""
        return self.whole and name not in self._any

    @cached_property
    def _patterns(self) -> list[str]:
        return [place for place in self.read if "*" in place][:MOST_PATTERNS]

    @cached_property
    def _any(self) -> Places:
        return Places(self.read | self.maybe)


def training_files(evidence: AuditInput) -> TrainingFiles:
    """Follow what was run; nothing is known where that fails."""
    try:
        trace, gathered = read_trace(evidence.solve / "trajectory.json"), gather(evidence)
        return _Following(evidence, trace, gathered).follow()
    except Exception as error:  # the input is hostile; what is not known is judged by its place
        return TrainingFiles(problem=f"what was trained on could not be followed ({type(error).__name__})")


class _Following(Replay):
    """The replay of what was run, with an eye on what cannot be followed."""

    files: SourceFiles

    def __init__(self, evidence: AuditInput, trace: Trace, gathered: Gathered) -> None:
        super().__init__(evidence, trace, gathered)
        known = self.files
        self.files = SourceFiles(known.test_data, known.workspace, known.variables)
        self.strange = bool(gathered.skipped)
        self.commands: list[Simple] = []

    def follow(self) -> TrainingFiles:
        for action in self.trace.actions:
            self._step(action)
        read, maybe = set[str](), set(self.files.lost)
        known = False
        strange = self.strange
        for trained in self.story.trained:
            taints = trained.sink.taints
            sure = {taint for taint in taints if taint.sure and not trained.failed}
            read |= places_of(frozenset(sure))
            maybe |= places_of(taints - sure)
            if not trained.failed:
                known = known or bool(taints)
                strange = strange or not taints or len(sure) < len(taints)
        maybe |= self._made_of(read | maybe) | self._read_by_programs()
        return TrainingFiles(frozenset(read), frozenset(maybe), known and not strange and self._is_whole())

    def _made_of(self, sources: set[str]) -> set[str]:
        """What was written from these: a file that was trained on may have been renamed since."""
        near = Places(sources)
        return {
            place
            for place, taints in self.files.taints.items()
            if any(one in near.above or one in near or UNCERTAIN.search(one) for one in places_of(taints))
        }

    def _read_by_programs(self) -> set[str]:
        """What was read by programs that do more than print it."""
        printing = {
            label
            for label, script in self.story.scripts.items()
            if _is_command(label) or (script.name in self.story.executed and only_prints(script.text))
        }
        return {place for script, place in self.files.readers if script not in printing}

    def python(self, path: str, argv: list[str], command: Simple, stdin: Taints) -> Taints:
        """See `Replay.python`."""
        self.files.lost |= places_of(stdin)
        return super().python(path, argv, command, stdin)

    def python_text(self, text: str, argv: list[str], command: Simple, stdin: Taints) -> Taints:
        """See `Replay.python_text`."""
        self.files.lost |= places_of(stdin)
        return super().python_text(text, argv, command, stdin)

    def shell(self, text: str, cwd: str, env: dict[str, str]) -> Taints:
        """See `Replay.shell`."""
        if _NOT_FOLLOWED.search(text) or any(
            self.files.place(target.strip("\"'"), cwd) != "." for target in _CHANGES_PLACE.findall(text)
        ):
            self.strange = True
        self.commands += parse(text, dict(env), cwd)
        return super().shell(text, cwd, env)

    def wrote(self, path: str, text: str, cwd: str, append: bool) -> None:
        """See `Replay.wrote`."""
        self.files.rewritten.discard(self.files.place(path, cwd))
        super().wrote(path, text, cwd, append)

    def _is_script(self, path: str, cwd: str) -> bool:
        place = self.files.place(path, cwd)
        is_kit = any(place.startswith(f"{kit}/") for kit in self.files.test_data.kits)
        return is_kit or self._script(path, cwd, loose=False) is not None

    def _are_tools_known(self) -> bool:
        names = {
            call.function_name.lower()
            for _, step in steps(self.evidence.solve / "trajectory.json", Trace())
            for call in step.tool_calls or ()
        }
        return names <= _TOOLS

    def _is_whole(self) -> bool:
        trace, story = self.trace, self.story
        if not trace.commands or trace.omitted or trace.broken or not story.complete or story.unread or story.missing:
            return False
        if time.monotonic() > self._end or not self._are_tools_known():
            return False
        for name, script in self._texts.items():
            if name in self.found and self.found[name].text.rstrip() != script.text.rstrip():
                return False  # it was changed in a way that the trace does not tell
        if not all(is_known(command, self._is_script) for command in self.commands):
            return False
        modules = {PurePosixPath(name).parts[0].removesuffix(".py") for name in [*self.found, *self._texts]}
        for label, script in story.scripts.items():
            if script.file != _TRACE or script.name in self.files.rewritten:
                return False
            if _is_command(label):
                continue  # looked at as it was started
            try:
                tree = python.parse(script.text)
            except NotReadError:
                return False
            asked = {line for where, line in self.files.asked - self.files.blind if where == label}
            if not is_closed(tree, asked, modules):
                return False
        return True


def _is_command(label: str) -> bool:
    return (label.startswith("step at line ") and ":" not in label) or label.endswith((".sh", ".bash"))
