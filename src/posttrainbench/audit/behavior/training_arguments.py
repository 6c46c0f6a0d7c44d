"""Training data named by the command line and the configuration files of a program that trains."""

import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any, Protocol

import yaml

from posttrainbench.audit.behavior.state import Files
from posttrainbench.audit.behavior.values import NONE, UNKNOWN, Taint, Taints
from posttrainbench.audit.split_names import HELD_OUT, PUBLISHED

MOST_VALUES = 2000
"""Values of the configuration that are considered."""
LONGEST_CONFIG = 200_000
_CONFIGS = (".yaml", ".yml", ".json", ".toml")
NAMES_HELD_OUT = re.compile(rf"(^|[._-]){HELD_OUT}([._-]|$|(dataset|set|file)s?$)")
"""Options that name held-out data."""
_DATA = re.compile(r"(^|[._-])(datasets?|data|files?|path|dataset_name|data_files?|data_dir)$")
"""Options that name training data."""
_CALLED_HELD_OUT = re.compile(rf"{PUBLISHED}(_\w+)?(\[.*\])?")
_SPLIT = re.compile(r"(^|[._-])splits?$")
_SUBSET = re.compile(
    r"^(name|subset|config|config_name|hf_subset|dataset_config|dataset_config_name|dataset_name_config)$"
)
_FIELDS = re.compile(r"([\w.-]+/[\w.-]+)(?::([\w/.;-]+))?(?:#\d+)?$")
"""Data set in the notation of ms-swift: `OWNER/NAME:SUBSET/SPLIT#ROWS`."""


@dataclass(frozen=True)
class Named:
    """A value of a configuration: the path of its keys, its text, and the values beside it."""

    key: str
    text: str
    beside: dict[str, Any]


class Surroundings(Protocol):
    """The files around a program."""

    @property
    def files(self) -> Files:
        """The files of the sandbox."""
        ...

    @property
    def label(self) -> tuple[str, int]:
        """Script and line that start the program."""
        ...

    def text_of(self, path: str, cwd: str) -> str:
        """Return the beginning of a file's text, or "" if it is unknown."""
        ...


@dataclass
class TrainingArguments:
    """Reads the arguments of a program that trains.

    Attributes:
        state: files and report.
        cwd: working directory of the program.
    """

    state: Surroundings
    cwd: str

    def data(self, words: list[str], *, known: bool) -> Taints | None:
        """Return the taints of the training data; held-out data is left out.

        Args:
            words: the arguments.
            known: True if the program trains; else the result is None if no argument names training data.
        """
        options = options_of(words)
        values: dict[str, Any] = {}
        for name, word in options:  # the words of an option that takes several are a list
            values[name] = word if name not in values else [*_as_list(values[name]), word]
        for word in [word for _, word in options]:
            if word.endswith(_CONFIGS) and not word.endswith("dataset_info.json"):
                config = self._config(word)
                values = {**config, **values} if isinstance(config, dict) else values
        named = list(islice(_leaves(values), MOST_VALUES))
        named = [one for one in named if not NAMES_HELD_OUT.search(one.key)]
        if not known:
            named = [one for one in named if "train" in one.key and _DATA.search(one.key)]
            if not named:
                return None
        return NONE.union(*(self._taints(one, values) for one in named))

    def _taints(self, named: Named, values: dict[str, Any]) -> Taints:
        if _SPLIT.search(named.key):
            return self._of_unknown(named)
        if len(named.text) > 500:
            return NONE
        taints = NONE
        for text in re.split(r"[,\s]+", named.text.strip("[]'\"")):
            if len(text) > 1:
                taints |= self.state.files.read(text.strip("'\""), *self.state.label, self.cwd, trains=True)
            if match := _FIELDS.fullmatch(text.strip("'\"")):
                taints |= self._repository(match[1], match[2] or "", named.beside)
            elif (
                re.fullmatch(r"[\w-]+", text)
                and self.state.files.test_data.repository(text, UNKNOWN, UNKNOWN) is not False
            ):
                taints |= self._repository(text, "", named.beside)
            if named.key.rpartition(".")[2] in ("dataset", "datasets"):
                taints |= self._registered(text, str(values.get("dataset_dir") or "data"))
        return taints

    def _of_unknown(self, named: Named) -> Taints:
        """Return an unsure taint for a split that is called held out, of a data set that is not named as on the Hub."""
        others = [value for value in named.beside.values() if isinstance(value, str)]
        if "." not in named.key or not _CALLED_HELD_OUT.fullmatch(named.text) or any(map(_FIELDS.fullmatch, others)):
            return NONE
        what = f"split {named.text} of the data set at {named.key.rpartition('.')[0]}"
        return frozenset([Taint("test", what, *self.state.label, None, sure=False)])

    def _repository(self, repo: str, parts: str, beside: dict[str, Any]) -> Taints:
        subset, _, split = parts.partition("/")
        kept = {key: _as_list(value) for key, value in beside.items() if not NAMES_HELD_OUT.search(key)}
        own = [(key, str(one)) for key, values in kept.items() for one in values]
        splits = [value for key, value in own if _SPLIT.search(key)]
        splits = splits or [value for _, value in own if _CALLED_HELD_OUT.fullmatch(value)]
        subsets = [str(value) for key, value in beside.items() if _SUBSET.search(key)]
        config = subset or next(iter(subsets), UNKNOWN)
        taints = NONE
        for name in [split] if split else splits or ["train"]:
            answer = self.state.files.test_data.repository(repo, config, name)
            if answer is not False:
                what = f"{repo}, split {name}"
                taints |= {Taint("test", what, *self.state.label, None, answer is True)}
        return taints

    def _registered(self, name: str, folder: str) -> Taints:
        """Return the taints of a data set that LLaMA-Factory's `dataset_info.json` describes."""
        known = self._config(f"{folder}/dataset_info.json")
        entry = known.get(name) if isinstance(known, dict) else None
        if not isinstance(entry, dict):
            return NONE
        taints = NONE
        if isinstance(file := entry.get("file_name"), str):
            taints |= self.state.files.read(
                file if file.startswith("/") else f"{folder}/{file}", *self.state.label, self.cwd
            )
        for key in ("hf_hub_url", "ms_hub_url", "om_hub_url"):
            if isinstance(repo := entry.get(key), str):
                taints |= self._repository(repo, "", entry)
        return taints

    def _config(self, path: str) -> Any:
        text = self.state.text_of(path, self.cwd)[:LONGEST_CONFIG]
        try:
            return tomllib.loads(text) if path.endswith(".toml") else yaml.safe_load(text)
        except (yaml.YAMLError, ValueError, RecursionError):
            return None


def _as_list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def options_of(words: list[str]) -> list[tuple[str, str]]:
    """Return (name, value) of options: `--name value ...`, `--name=value`, `name=value`; "" for other words."""
    options: list[tuple[str, str]] = []
    name = ""
    for word in words:
        if match := re.match(r"(?:--|\+\+?)?([A-Za-z_][\w.-]*)=(.*)", word, re.DOTALL):
            options.append((match[1].replace("-", "_"), match[2]))
            name = ""
        elif word.startswith("-"):
            name = word.lstrip("-").replace("-", "_")
        else:
            options.append((name, word))
    return options


def _leaves(value: Any, key: str = "", beside: dict[str, Any] | None = None, depth: int = 0) -> Iterator[Named]:
    if depth > 12:
        return
    if isinstance(value, dict):
        for name, part in value.items():
            yield from _leaves(part, f"{key}.{name}".lstrip("."), value, depth + 1)
    elif isinstance(value, list):
        for part in value:
            yield from _leaves(part, key, beside, depth + 1)
    elif isinstance(value, str):
        yield Named(key, value, beside or {})
