"""What shell commands do with data: which programs they start, which files they read, write, copy and fetch."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from posttrainbench.audit.conduct import libraries as lib
from posttrainbench.audit.conduct import makefile
from posttrainbench.audit.conduct.shell import Simple
from posttrainbench.audit.conduct.state import Files
from posttrainbench.audit.conduct.values import NONE, UNKNOWN, Taint, Taints
from posttrainbench.destinations import classify

PYTHON = re.compile(r"^(python|pypy)[\d.]*$")
TRANSPARENT = frozenset("nohup time sudo setsid exec command stdbuf ionice chrt unbuffer script xvfb-run".split())
LAUNCHERS = frozenset("accelerate torchrun deepspeed".split())
TRAINERS = frozenset("trl axolotl llamafactory-cli tune litgpt swift xtuner unsloth mlx_lm.lora".split())
TRAINING_MODULES = re.compile(r"^(axolotl\.cli\.train|mlx_lm\.lora|llamafactory\.\w+|trl\.\w+|litgpt\.\w*finetune\w*)")
FILTERS = frozenset(
    "cat head tail jq sed awk gawk grep egrep rg sort shuf uniq cut tr paste zcat gunzip gzip bzcat xzcat xz zstd "
    "zstdcat iconv strings dd tac nl rev fold fmt column csvcut csvjson mlr base64 yq dasel xxd tee split pv".split()
)
TEACHERS: dict[str, Callable[[list[str]], bool]] = {
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
"""Command lines that have a hosted model answer -> whether these arguments do."""


class Starter(Protocol):
    """Starts the scripts that commands name, in the analysis."""

    files: Files

    def python(self, path: str, argv: list[str], command: Simple, stdin: Taints) -> Taints:
        """A script of Python by its path; `-` and `-c` bring their text with them."""
        ...

    def python_text(self, text: str, argv: list[str], command: Simple, stdin: Taints) -> Taints:
        """A program of Python by its text."""
        ...

    def script(self, path: str, command: Simple) -> Taints:
        """A shell script by its path."""
        ...

    def shell(self, text: str, cwd: str, env: dict[str, str]) -> Taints:
        """Shell text."""
        ...

    def text_of(self, path: str, cwd: str) -> str:
        """What stands in a small file; "" where that is not known."""
        ...

    def trained(self, how: str, taints: Taints) -> None:
        """A program trains on data of these origins."""
        ...

    def source(self, taint: Taint) -> None:
        """A command takes data from a source."""
        ...

    def wrote(self, path: str, text: str, cwd: str, append: bool) -> None:
        """A command writes this text into a file."""
        ...

    def label(self) -> tuple[str, int]:
        """The script and line that the command stands in."""
        ...


@dataclass
class Effects:
    """Carries out one simple command on the files."""

    starter: Starter
    command: Simple

    def run(self, stdin: Taints) -> Taints:
        """What it prints comes from there. `stdin`: what it is fed with."""
        words = unwrapped(self.command)
        for path in self.command.reads:
            stdin |= self._read(path)
        if not words:
            return stdin
        program, rest = words[0].rsplit("/", 1)[-1], words[1:]
        printed = self._program(program, words[0], rest, stdin)
        for path, append in self.command.writes:
            self.starter.files.write(path, printed, self.command.cwd, append=append)
            if program in ("cat", "echo", "printf") and (self.command.text is not None or program != "cat"):
                text = self.command.text if program == "cat" else " ".join(w for w in rest if w not in ("-e", "-n"))
                self.starter.wrote(path, text or "", self.command.cwd, append)
        return printed

    def _program(self, program: str, path: str, rest: list[str], stdin: Taints) -> Taints:
        starter, command = self.starter, self.command
        if PYTHON.match(program):
            return self._python(rest, stdin)
        if program in LAUNCHERS:
            rest = rest[1:] if program == "accelerate" and rest[:1] == ["launch"] else rest
            return self._launched(rest, stdin)
        if program in ("bash", "sh", "zsh", "dash", "source", "."):
            return self._shell(rest)
        if program in ("tmux", "screen") and rest:
            return starter.shell(rest[-1], command.cwd, command.env) if " " in rest[-1] else NONE
        if program in ("make", "gmake"):
            cwd, lines = makefile.recipe(rest, command.cwd, command.env, starter.text_of)
            return frozenset().union(*(starter.shell(line, cwd, command.env) for line in lines))
        if program in ("jupyter", "papermill", "ipython"):
            books = [word for word in rest if word.endswith((".ipynb", ".py"))]
            if program != "jupyter" or "--execute" in rest:
                return frozenset().union(*(starter.python(book, [], command, stdin) for book in books[:1]))
            return NONE
        if program in TRAINERS:
            starter.trained(f"{program} {' '.join(rest)[:80]}", self._named_data(rest))
            return NONE
        if program in TEACHERS and TEACHERS[program](rest):
            return stdin | {self._taint(f"{program} {' '.join(rest[:2])}"[:80])}
        if program in ("cp", "mv", "ln", "rsync", "install"):
            self._copy(program, _plain(rest))
            return NONE
        if program == "rm":
            for word in _plain(rest):
                starter.files.remove(word, command.cwd)
            return NONE
        if program in ("curl", "wget", "http", "aria2c"):
            return self._fetch(program, rest)
        if program in ("hf", "huggingface-cli", "git"):
            return self._repository(program, rest)
        if program in FILTERS:
            return self._filter(program, rest, stdin)
        if program in ("comm", "join", "diff"):
            return self._read(_plain(rest)[0]) if _plain(rest) else stdin
        if program == "xargs":
            return self._program(rest[0], rest[0], rest[1:], stdin) if rest and not rest[0].startswith("-") else stdin
        if path.endswith(".py"):
            return starter.python(path, rest, command, stdin)
        if "/" in path or path.endswith((".sh", ".bash")):
            return starter.script(path, command)
        return NONE

    def _python(self, rest: list[str], stdin: Taints) -> Taints:
        while rest and rest[0].startswith("-") and rest[0] not in ("-", "-c", "-m"):
            rest = rest[2:] if rest[0] in ("-W", "-X") else rest[1:]
        if not rest or rest[0] == "-":
            text = self.command.text
            return self.starter.python_text(text, rest[1:], self.command, stdin) if text else NONE
        if rest[0] == "-c":
            return self.starter.python_text(rest[1], rest[2:], self.command, stdin) if len(rest) > 1 else NONE
        if rest[0] != "-m":
            return self.starter.python(rest[0], rest[1:], self.command, stdin)
        module, rest = (rest[1] if len(rest) > 1 else ""), rest[2:]
        if TRAINING_MODULES.match(module):
            self.starter.trained(f"python -m {module}", self._named_data(rest))
            return NONE
        if module in ("torch.distributed.run", "torch.distributed.launch", "accelerate.commands.launch"):
            return self._launched(rest, stdin)
        if module == "json.tool":
            return self._filter("cat", rest, stdin)
        return self.starter.python(module.replace(".", "/") + ".py", rest, self.command, stdin)

    def _launched(self, rest: list[str], stdin: Taints) -> Taints:
        if "-m" in rest:
            return self._python(rest[rest.index("-m") :], stdin)
        for index, word in enumerate(rest):
            if word.endswith(".py"):
                return self.starter.python(word, rest[index + 1 :], self.command, stdin)
        return NONE

    def _shell(self, rest: list[str]) -> Taints:
        command = self.command
        for index, word in enumerate(rest):
            if word.startswith("-") and word.endswith("c") and index + 1 < len(rest):
                return self.starter.shell(rest[index + 1], command.cwd, command.env)
            if not word.startswith("-"):
                return self.starter.script(word, command)
        return self.starter.shell(command.text, command.cwd, command.env) if command.text else NONE

    def _filter(self, program: str, rest: list[str], stdin: Taints) -> Taints:
        if program in ("grep", "egrep", "rg"):
            kept, skip = [], False
            for word in rest:
                if skip or word.startswith("--file="):
                    skip = False  # a file of patterns is not what is printed
                elif re.fullmatch(r"-\w*f", word):
                    skip = True
                else:
                    kept.append(word)
            rest = kept
        found = stdin
        for word in _plain(rest):
            found |= self._read(word)
        if program == "tee":
            for word in _plain(rest):
                self.starter.files.write(word, stdin, self.command.cwd, append="-a" in rest)
                if self.command.text is not None:
                    self.starter.wrote(word, self.command.text, self.command.cwd, "-a" in rest)
            return stdin
        if program == "split" and len(_plain(rest)) > 1:
            self.starter.files.write(f"{_plain(rest)[-1]}*", found, self.command.cwd, append=True)
        if program == "sed" and any(re.match(r"-\w*i|--in-place", word) for word in rest):
            return NONE
        return found

    def _copy(self, program: str, words: list[str]) -> None:
        if len(words) < 2:
            return
        files, cwd = self.starter.files, self.command.cwd
        target = words[-1]
        for source in words[:-1]:
            taints = self._read(source)
            whole = f"{target.rstrip('/')}/{source.rstrip('/').rsplit('/', 1)[-1]}"
            folder = target.endswith("/") or target in (".", "..") or len(words) > 2
            for path in [whole] if folder else [target] if "." in posixpath.basename(target) else [target, whole]:
                files.write(path, taints, cwd)
                if "." not in posixpath.basename(source.rstrip("/")):
                    files.alias(path, source, cwd)
                if text := self.starter.text_of(source, cwd):
                    self.starter.wrote(path, text, cwd, append=False)
            if program == "mv":
                files.remove(source, cwd)

    def _fetch(self, program: str, rest: list[str]) -> Taints:
        taints = NONE
        addresses = [word for word in rest if re.match(r"https?://", word)]
        for address in addresses:
            if lib.LOCAL.search(address):
                continue
            place = urlsplit(address)
            if classify(place.hostname or "", place.path).kind == "hosted_model":
                taints |= {self._taint(f"{program} {address}"[:120], place.hostname or "")}
            taints |= self._read(address)
        target = _option(rest, "-o", "--output", "--output-document") if program != "wget" else _option(rest, "-O")
        folder = _option(rest, "-P", "--directory-prefix", "--output-dir") or ""
        if target is None and addresses and (program == "wget" or {"-O", "-LO", "-OL", "--remote-name"} & set(rest)):
            target = addresses[0].split("?")[0].rstrip("/").rsplit("/", 1)[-1]
        if target is not None and target != "-":
            self.starter.files.write(posixpath.join(folder, target), taints, self.command.cwd)
            return NONE
        return taints

    def _repository(self, program: str, rest: list[str]) -> Taints:
        words = _plain(rest)
        if program == "git":
            if words[:1] == ["clone"] and len(words) > 1:
                folder = words[2] if len(words) > 2 else words[1].rstrip("/").rsplit("/", 1)[-1].removesuffix(".git")
                address = re.sub(r"^(?:ssh://)?git@([\w.-]+)[:/]", r"https://\1/", words[1]).removesuffix(".git")
                self.starter.files.alias(folder, f"{address}/raw/main", self.command.cwd)
            return NONE
        folder_option = _option(rest, "--local-dir")
        if words[:1] == ["download"] and len(words) > 1 and folder_option:
            self.starter.files.alias(folder_option, f"hf://datasets/{words[1]}", self.command.cwd)
        return NONE

    def _named_data(self, words: list[str]) -> Taints:
        """The data that a training program's arguments and configuration name."""
        taints = NONE
        texts = [" ".join(words)]
        for word in words:
            if word.endswith((".yaml", ".yml", ".json", ".toml")):
                texts.append(self.starter.text_of(word, self.command.cwd))
        script, line = self.starter.label()
        for text in texts:
            splits = re.findall(r"split['\"]?\s*[:= ]\s*['\"]?([\w\[\]:%+]+)", text) or [UNKNOWN]
            for token in set(re.findall(r"[\w./:@-]{4,200}", text)):
                taints |= self._read(token)
                for split in splits:
                    answer = self.starter.files.test_data.repository(token, UNKNOWN, split)
                    if answer is not False and "/" in token:
                        taints |= {
                            Taint(
                                "test",
                                f"{token}, split {split}".replace(UNKNOWN, "?"),
                                script,
                                line,
                                None,
                                answer is True,
                            )
                        }
        return taints

    def _read(self, path: str) -> Taints:
        script, line = self.starter.label()
        return self.starter.files.read(path, script, line, self.command.cwd)

    def _taint(self, what: str, host: str = "") -> Taint:
        script, line = self.starter.label()
        taint = Taint("hosted", what, script, line, host=host)
        self.starter.source(taint)
        return taint


def unwrapped(command: Simple) -> list[str]:
    """The words without the programs that only start another one."""
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
            while words and words[0].startswith("-"):
                words = words[2:] if words[0] in ("-n", "--name", "--with", "-p", "--python") else words[1:]
        else:
            break
    return words


def _plain(words: list[str]) -> list[str]:
    return [word for word in words if not word.startswith("-")]


def _option(words: list[str], *names: str) -> str | None:
    for index, word in enumerate(words):
        if word in names and index + 1 < len(words):
            return words[index + 1]
        for name in names:
            if word.startswith(f"{name}="):
                return word.partition("=")[2]
    return None
