"""Effects of shell commands on data: the files that they read, write, copy and fetch."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import urlsplit

from posttrainbench.audit.behavior import libraries as lib
from posttrainbench.audit.behavior.evaluations import (
    EVALUATE,
    LOGGED,
    PRINTED,
    is_evaluation,
    log_paths,
    names_benchmark,
)
from posttrainbench.audit.behavior.replay_state import ReplayState
from posttrainbench.audit.behavior.selection import pattern_keeps_training_rows, query_keeps_training_rows
from posttrainbench.audit.behavior.shell_commands import SimpleCommand, printed
from posttrainbench.audit.behavior.shell_words import EMPTY, Stream, option_value
from posttrainbench.audit.behavior.text_programs import decoded, edited, searched
from posttrainbench.audit.behavior.training_arguments import TrainingArguments
from posttrainbench.audit.behavior.values import NONE, Taint, Taints
from posttrainbench.gateway.egress.destinations import classify

PYTHON = re.compile(r"^(python|pypy)[\d.]*$")
TRANSPARENT = frozenset("nohup time sudo setsid exec command stdbuf ionice chrt unbuffer script xvfb-run".split())
GREPS = frozenset(("grep", "egrep", "rg"))
FILTERS = frozenset(
    "cat head tail jq sed awk gawk grep egrep rg sort shuf uniq cut tr paste zcat gunzip gzip bzcat xzcat xz zstd "
    "zstdcat iconv strings dd tac nl rev fold fmt column csvcut csvjson mlr base64 yq dasel xxd tee split pv".split()
)
SILENT = frozenset(
    "wc md5sum sha1sum sha256sum cksum sum test [ true false ls du df stat file tree pwd mkdir rmdir touch chmod kill "
    "sleep wait which type date nvidia-smi ps top free pip pip3 conda apt apt-get npm expr seq cmp".split()
)
"""Programs whose output contains nothing of what they read."""
TEACHER_MODELS: dict[str, Callable[[list[str]], bool]] = {
    "claude": lambda words: bool({"-p", "--print"} & set(words)),
    "codex": lambda words: bool({"exec", "e"} & set(words[:4])),
    "gemini": lambda words: bool({"-p", "--prompt"} & set(words)) or not words,
    "opencode": lambda words: "run" in words[:2],
    "qwen": lambda words: bool({"-p", "--prompt"} & set(words)),
    "llm": lambda words: (
        bool(words) and words[0] not in ("install", "keys", "models", "plugins", "--version", "--help")
    ),
    "aichat": bool,
    "sgpt": bool,
    "mods": bool,
}
"""Command-line clients of hosted models -> predicate on their arguments that is true if they ask a model."""


@dataclass
class DataCommand:
    """A simple command that moves data and starts no other program.

    Attributes:
        state: files and report, which the command changes.
        command: the command.
    """

    state: ReplayState
    command: SimpleCommand

    def read(self, path: str) -> Taints:
        """Return the taints of a file."""
        return self.state.files.read(path, *self.state.label, self.command.cwd)

    def run(self, program: str, arguments: list[str], stdin: Stream) -> Stream | None:
        """Apply the command to the files.

        Args:
            program: name of the program, without its directory.
            arguments: its arguments.
            stdin: its standard input.

        Returns:
            Its output; None for a program that is not known here.
        """
        text = printed([program, *arguments], stdin)
        if program in ("echo", "printf"):
            return Stream(self.command.taints, text)
        if program in lib.tables().programs:
            if lib.tables().idle.isdisjoint(arguments[:1]):
                self.train(f"{program} {' '.join(arguments)[:80]}", arguments, known=True)
            return Stream()
        if is_evaluation(program, arguments, self.state.files.test_data):
            return self.evaluated(program, arguments)
        if program in TEACHER_MODELS and TEACHER_MODELS[program](arguments):
            taints = stdin.taints | self.command.taints
            return Stream(taints | {self._taint(f"{program} {' '.join(arguments[:2])}"[:80])})
        if program in ("cp", "mv", "ln", "rsync", "install"):
            self._copy(program, _operands(arguments))
            return EMPTY
        if program == "rm":
            for path in _operands(arguments):
                self.state.files.remove(path, self.command.cwd)
            return EMPTY
        if program in ("curl", "wget", "http", "aria2c"):
            return Stream(self._fetch(program, arguments) | self.command.taints)
        if program in ("hf", "huggingface-cli", "git"):
            self._download_repository(program, arguments)
            return Stream()
        if program == "ls" and all("." in word or "*" in word for word in _operands(arguments)):
            return Stream(text="\n".join(_operands(arguments)) + "\n") if _operands(arguments) else Stream()
        if program == "find":
            return Stream(text=self.found(arguments))
        if program in FILTERS:
            return self.filter(program, arguments, stdin)
        if program in ("comm", "join", "diff"):
            return Stream(self.read(_operands(arguments)[0])) if _operands(arguments) else stdin
        return None

    def found(self, arguments: list[str]) -> str | None:
        """Return the files that `find` prints: those that are known, else a pattern."""
        folders, pattern = searched(arguments)
        if not pattern:
            return None
        paths = [f"{folder}/{part}{pattern}" for folder in folders for part in ("", "*/")]
        names = [name for path in paths for name in self.state.files.matching(path, self.command.cwd, self.state.texts)]
        return "\n".join(names or paths) + "\n"

    def unknown(self, program: str, arguments: list[str], stdin: Stream) -> Stream:
        """Return the output of a program that is not known: it may contain what it was given and read."""
        if program in SILENT:
            return Stream()
        if lib.CALLED_TRAINING.search(program) and not _is_file_tool(program):
            self.train(f"{program} {' '.join(arguments)[:80]}", arguments, known=True)
        taints = stdin.taints | self.command.taints
        for word in _operands(arguments):
            if lib.DATA_FILE.search(word) or word.endswith(".eval"):
                taints |= self.read(word)
        return Stream(taints)

    def train(self, how: str, arguments: list[str], *, known: bool) -> None:
        """Record a training on the data that the arguments and configuration files of a program name.

        Args:
            how: the program.
            arguments: its arguments.
            known: True if the program trains; False if it does only if its arguments name training data.
        """
        trained = TrainingArguments(self.state, self.command.cwd).data(arguments, known=known)
        if trained is not None:
            self.state.add_training(how, trained)

    def evaluated(self, program: str, arguments: list[str]) -> Stream:
        """Return the output of a program, which may contain test items if it evaluates on them, as its logs may."""
        test_data = self.state.files.test_data
        if program != EVALUATE and not is_evaluation(program, arguments, test_data):
            return Stream()
        printed_items = Taint("test", PRINTED, *self.state.label, sure=False)
        logged = Taint("test", LOGGED, *self.state.label, sure=names_benchmark(arguments, test_data))
        for path in log_paths(program, arguments, test_data.benchmark, self.command.env):
            self.state.files.write(path, frozenset([logged]), self.command.cwd, append=True)
        self.state.add_source(printed_items)
        return Stream(frozenset([printed_items]))

    def filter(self, program: str, arguments: list[str], stdin: Stream) -> Stream:
        """Return the output of a filter such as `cat` or `grep`."""
        if program in GREPS:
            operands, skip = [], False
            for word in arguments:
                if skip or word.startswith("--file="):
                    skip = False  # the patterns of `-f` are not printed
                elif re.fullmatch(r"-\w*f", word):
                    skip = True
                else:
                    operands.append(word)
            arguments = operands
        operands = _operands(arguments)
        taints = self.command.taints.union(stdin.taints, *(self.read(word) for word in operands))
        if (program in GREPS and pattern_keeps_training_rows(arguments)) or (
            program in ("jq", "awk", "gawk") and operands and query_keeps_training_rows(operands[0])
        ):
            taints = frozenset(taint for taint in taints if taint.kind != "test")
        if program == "tee":
            for word in operands:
                self.state.files.write(word, stdin.taints, self.command.cwd, append="-a" in arguments)
                if stdin.text is not None:
                    self.state.write_text(word, stdin.text, self.command.cwd, append="-a" in arguments)
            return stdin
        if program == "split" and len(operands) > 1:
            self.state.files.write(f"{operands[-1]}*", taints, self.command.cwd, append=True)
        if program == "sed":
            return self._edit(arguments, Stream(taints, stdin.text))
        texts = [self.state.known_text(word, self.command.cwd) for word in operands] or [stdin.text]
        if None in texts or program not in ("cat", "base64"):
            return Stream(taints)
        text = "".join(text for text in texts if text is not None)
        if program == "cat":
            return Stream(taints, text)
        return Stream(taints, decoded(text) if {"-d", "-D", "--decode"} & set(arguments) else None)

    def _edit(self, arguments: list[str], stdin: Stream) -> Stream:
        """Apply `sed`: to files with `-i`, else to the text that it prints."""
        cwd = self.command.cwd
        files, text = edited(arguments, stdin.text or "")
        known = {file: self.state.known_text(file, cwd) for file in files}
        results = {file: None if old is None else edited(arguments, old)[1] for file, old in known.items()}
        if any(re.match(r"-\w*i|--in-place", word) for word in arguments):
            for file, result in results.items():
                if result is not None:
                    self.state.write_text(file, result, cwd)
            return EMPTY
        if files:
            text = None if None in results.values() else "".join(result or "" for result in results.values())
        return Stream(stdin.taints, text if files or stdin.text is not None else None)

    def _copy(self, program: str, words: list[str]) -> None:
        if len(words) < 2:
            return
        files, cwd = self.state.files, self.command.cwd
        target = words[-1]
        for source in words[:-1]:
            taints = self.read(source)
            inside = f"{target.rstrip('/')}/{source.rstrip('/').rsplit('/', 1)[-1]}"
            folder = target.endswith("/") or target in (".", "..") or len(words) > 2
            for path in [inside] if folder else [target] if "." in posixpath.basename(target) else [target, inside]:
                files.write(path, taints, cwd)
                if "." not in posixpath.basename(source.rstrip("/")):
                    files.alias(path, source, cwd)
                if text := self.state.text_of(source, cwd):
                    self.state.write_text(path, text, cwd)
            if program == "mv":
                files.remove(source, cwd)

    def _fetch(self, program: str, arguments: list[str]) -> Taints:
        taints = NONE
        addresses = [word for word in arguments if re.match(r"https?://", word)]
        for address in addresses:
            if lib.LOCAL.search(address):
                continue
            url = urlsplit(address)
            if classify(url.hostname or "", url.path).kind == "hosted_model":
                taints |= {self._taint(f"{program} {address}"[:120], url.hostname or "")}
            taints |= self.read(address)
        target = (
            option_value(arguments, "-o", "--output", "--output-document")
            if program != "wget"
            else option_value(arguments, "-O")
        )
        folder = option_value(arguments, "-P", "--directory-prefix", "--output-dir") or ""
        if (
            target is None
            and addresses
            and (program == "wget" or {"-O", "-LO", "-OL", "--remote-name"} & set(arguments))
        ):
            target = addresses[0].split("?")[0].rstrip("/").rsplit("/", 1)[-1]
        if target is not None and target != "-":
            self.state.files.write(posixpath.join(folder, target), taints, self.command.cwd)
            return NONE
        return taints

    def _download_repository(self, program: str, arguments: list[str]) -> None:
        operands = _operands(arguments)
        if program == "git":
            if operands[:1] == ["clone"] and len(operands) > 1:
                name = operands[1].rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
                address = re.sub(r"^(?:ssh://)?git@([\w.-]+)[:/]", r"https://\1/", operands[1]).removesuffix(".git")
                self.state.files.alias(
                    operands[2] if len(operands) > 2 else name, f"{address}/raw/main", self.command.cwd
                )
            return
        folder = option_value(arguments, "--local-dir")
        if operands[:1] == ["download"] and len(operands) > 1 and folder:
            self.state.files.alias(folder, f"hf://datasets/{operands[1]}", self.command.cwd)

    def _taint(self, name: str, host: str = "") -> Taint:
        taint = Taint("hosted", name, *self.state.label, host=host)
        self.state.add_source(taint)
        return taint


def _is_file_tool(program: str) -> bool:
    """Return True for a program with an extension, which is a script or a file."""
    return "." in program


def is_trainer(module: str) -> bool:
    """Return True if `python -m MODULE` trains."""
    return lib.tables().modules.match(module) is not None


_WITH_VALUES = frozenset(
    "-n --name --with --with-requirements --with-editable -p --python --extra --group --env-file --directory --project "
    "--index-url --default-index -e --environment --cwd".split()
)
"""Options of `uv run` and its like that take a value."""


def unwrapped(command: SimpleCommand) -> list[str]:
    """Return the words without wrappers such as `nohup` or `uv run`; assignments of `env` go to `command.env`."""
    words = list(command.words)
    while words:
        name = words[0].rsplit("/", 1)[-1]
        if name in TRANSPARENT:
            words.pop(0)
        elif name in ("timeout", "nice", "taskset"):
            words.pop(0)
            while words and (words[0].startswith("-") or re.fullmatch(r"[\d.]+[smhd]?|0x[\da-f]+|[\d,-]+", words[0])):
                words.pop(0)
        elif name == "env":
            words.pop(0)
            while words and (words[0].startswith("-") or "=" in words[0]):
                key, _, value = words.pop(0).partition("=")
                command.env[key] = value
        elif name in ("uv", "poetry", "pipenv", "pixi", "conda", "micromamba") and "run" in words[:2]:
            words = words[words.index("run") + 1 :]
            while words and words[0].startswith("-") and words[0] not in ("-m", "--module"):
                words = words[2:] if words[0] in _WITH_VALUES else words[1:]
            words = ["python", "-m", *words[1:]] if words[:1] in (["-m"], ["--module"]) else words
        else:
            break
    return words


def _operands(words: list[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]
