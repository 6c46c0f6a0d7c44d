"""Programs that a command starts: Python, shell scripts and texts, and programs with known effects."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from posttrainbench.audit.behavior import makefile
from posttrainbench.audit.behavior.commands import PYTHON, DataCommand, is_trainer
from posttrainbench.audit.behavior.console_scripts import program_text
from posttrainbench.audit.behavior.libraries import tables
from posttrainbench.audit.behavior.replay_state import ReplayState
from posttrainbench.audit.behavior.scripts_in_workspace import Script
from posttrainbench.audit.behavior.shell_commands import SimpleCommand
from posttrainbench.audit.behavior.shell_words import EMPTY, Stream
from posttrainbench.audit.behavior.text_programs import started_by


class Starter(Protocol):
    """Starts scripts and texts: see `replay`.

    Attributes:
        state: state of the replay.
    """

    state: ReplayState

    def find_script(self, path: str, cwd: str) -> Script | None:
        """Return the script at a path."""
        ...

    def python(self, path: str, argv: list[str], command: SimpleCommand, stdin: Stream) -> Stream:
        """Analyze a Python script that is started by its path, and return its output."""
        ...

    def configuration(self, path: str, command: SimpleCommand) -> None:
        """Analyze a Python script that configures a program which trains."""
        ...

    def python_text(self, text: str, argv: list[str], command: SimpleCommand, stdin: Stream) -> Stream:
        """Analyze a Python program from `-c` or standard input, and return its output."""
        ...

    def shell_script(
        self, path: str, arguments: list[str], command: SimpleCommand, stdin: Stream, *, sourced: bool = False
    ) -> Stream:
        """Apply a shell script, or a Python script that is started like one, and return its output."""
        ...

    def shell_text(
        self, text: str, cwd: str, env: dict[str, str], stdin: Stream = EMPTY, arguments: Sequence[str] = ()
    ) -> Stream:
        """Apply shell text to the files and return its output."""
        ...


def run_program(starter: Starter, path: str, arguments: list[str], effects: DataCommand, stdin: Stream) -> Stream:
    """Apply a program and return its output."""
    program, command = path.rsplit("/", 1)[-1], effects.command
    if PYTHON.match(program):
        return _run_python(starter, arguments, effects, stdin)
    if program in tables().launchers:
        skip = program == "accelerate" and arguments[:1] == ["launch"]
        return _launch(starter, arguments[1:] if skip else arguments, effects, stdin)
    if program in ("bash", "sh", "zsh", "dash"):
        return _run_shell(starter, arguments, command, stdin)
    if program in ("source", ".") and arguments:
        return starter.shell_script(arguments[0], arguments[1:], command, stdin, sourced=True)
    if program in ("tmux", "screen") and arguments:
        return starter.shell_text(arguments[-1], command.cwd, command.env) if " " in arguments[-1] else Stream()
    if program in ("at", "batch") and stdin.text:
        return starter.shell_text(stdin.text, command.cwd, command.env)
    if program in ("make", "gmake"):
        cwd, lines = makefile.recipe(arguments, command.cwd, command.env, starter.state.text_of)
        return _together(starter.shell_text(line, cwd, command.env) for line in lines)
    if program in ("jupyter", "papermill", "ipython"):
        notebooks = [word for word in arguments if word.endswith((".ipynb", ".py"))]
        if notebooks and (program != "jupyter" or "--execute" in arguments):
            return starter.python(notebooks[0], [], command, stdin)
        return Stream()
    if program in ("xargs", "parallel", "find"):
        calls = started_by(program, arguments, effects.found(arguments) if program == "find" else stdin.text)
        if program != "find" or calls:
            rest = Stream(stdin.taints)
            return _together(run_program(starter, words[0], words[1:], effects, rest) for words in calls)
    if declared := program_text(path, command.cwd, starter.state.text_of):
        starter.python_text(declared, arguments, command, stdin)
    output = effects.run(program, arguments, stdin)
    if output is not None:
        if program in tables().programs:
            for word in arguments:
                if word.endswith(".py"):
                    starter.configuration(word, command)
        return output
    if path.endswith(".py"):
        return starter.python(path, arguments, command, stdin)
    if "/" in path or path.endswith((".sh", ".bash")):
        return starter.shell_script(path, arguments, command, stdin)
    return effects.unknown(program, arguments, stdin)


def _run_python(starter: Starter, arguments: list[str], effects: DataCommand, stdin: Stream) -> Stream:
    command = effects.command
    while arguments and arguments[0].startswith("-") and arguments[0] not in ("-", "-c", "-m"):
        arguments = arguments[2:] if arguments[0] in ("-W", "-X") else arguments[1:]
    if not arguments or arguments[0] == "-":
        return starter.python_text(stdin.text, arguments[1:], command, EMPTY) if stdin.text else Stream()
    if arguments[0] == "-c":
        return starter.python_text(arguments[1], arguments[2:], command, stdin) if len(arguments) > 1 else Stream()
    if arguments[0] != "-m":
        return _python_script(starter, arguments[0], arguments[1:], effects, stdin)
    module, arguments = (arguments[1] if len(arguments) > 1 else ""), arguments[2:]
    if module in ("torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch"):
        return _launch(starter, arguments, effects, stdin)
    if module == "json.tool":
        return effects.filter("cat", arguments, stdin)
    path = module.replace(".", "/")
    if starter.find_script(f"{path}.py", effects.command.cwd) is None:
        package = f"{path}/__main__.py"
        if starter.find_script(package, effects.command.cwd) is not None:
            return _python_script(starter, package, arguments, effects, stdin, module)
    return _python_script(starter, f"{path}.py", arguments, effects, stdin, module)


def _launch(starter: Starter, arguments: list[str], effects: DataCommand, stdin: Stream) -> Stream:
    for option in ("-m", "--module"):
        if option in arguments:
            return _run_python(starter, ["-m", *arguments[arguments.index(option) + 1 :]], effects, stdin)
    for index, word in enumerate(arguments):
        if word.endswith(".py"):
            return _python_script(starter, word, arguments[index + 1 :], effects, stdin)
    return Stream()


def _python_script(
    starter: Starter, path: str, arguments: list[str], effects: DataCommand, stdin: Stream, module: str = ""
) -> Stream:
    """Analyze a script or module; one whose text is unknown trains on what its arguments name as training data."""
    if starter.find_script(path, effects.command.cwd) is None:
        effects.train(f"python {'-m ' if module else ''}{module or path}", arguments, known=is_trainer(module))
        if module:
            return effects.evaluated(module, arguments)
    return starter.python(path, arguments, effects.command, stdin)


def _run_shell(starter: Starter, arguments: list[str], command: SimpleCommand, stdin: Stream) -> Stream:
    for index, word in enumerate(arguments):
        if word.startswith("-") and word.endswith("c") and index + 1 < len(arguments):
            text, rest = arguments[index + 1], arguments[index + 3 :]
            return starter.shell_text(text, command.cwd, command.env, stdin, rest)
        if not word.startswith("-"):
            return starter.shell_script(word, arguments[index + 1 :], command, stdin)
    return starter.shell_text(stdin.text, command.cwd, command.env) if stdin.text else Stream()


def _together(outputs: Iterable[Stream]) -> Stream:
    return sum(outputs, EMPTY)
