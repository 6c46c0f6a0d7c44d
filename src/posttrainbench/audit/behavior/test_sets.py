"""Recognize test data by its name: repositories with their splits, web addresses, packages, and files in the sandbox.

Where a benchmark's test items are published is declared by the benchmark and its catalog entry; see
`benchmarks.test_sets`. Data that may be trained on, such as GSM8K's train split, is not declared there.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from urllib.parse import urlsplit

from posttrainbench.audit.behavior.values import UNKNOWN
from posttrainbench.benchmarks.test_sets import published_test_set
from posttrainbench.catalog import PublishedTestSet
from posttrainbench.errors import InputError
from posttrainbench.gateway.egress.destinations import classify

LOGS = re.compile(r"\.eval$")
_CACHED = re.compile(r"(?:^|/)(?:datasets--)?(\w[\w.-]*?)(?:___|--)([\w.-]+)/(.+)$")
"""A file in a cache of the Hub's libraries."""
LEAST_PATTERN = 4
"""Characters of a path that is not known in full, from which on it may be that of a file."""
_ROWS = re.compile(
    r"^(?!.*(config|args|param|setting|token|vocab|state|index|zero|ds_|deepspeed|metric|result|log|summary|score|map|"
    r"model|checkpoint|weight|optim|merges))[^\n]*\.(jsonl?|csv|tsv|parquet|arrow|pkl|npy|npz|txt|bin|pt|db)"
    r"(\.(gz|zst))?$",
    re.IGNORECASE,
)
"""Files that hold rows of data, by their names."""
_CERTAIN_ROWS = re.compile(r"\.(jsonl|csv|tsv|parquet|arrow|npy|npz)(\.|$)|(^|[_.-])train|data", re.IGNORECASE)
_SETTINGS = re.compile(r"(^|/)(conf|config|configs|settings|recipes|yamls)/", re.IGNORECASE)
CHECKER = "test_data.json"
"""The file in which contamination checkers carry the test items."""


@dataclass(frozen=True)
class TestData:
    """Recognizes the test data of one benchmark.

    Attributes:
        benchmark: id of the benchmark. Without an installed benchmark of this id, only files in the sandbox are known.
        kits: paths of the kit: inside the sandbox, and in the run directory.
        logs: evaluation logs, as paths relative to the workspace.
        everything: True if all published data sets and all files of rows are taken for test data. Where the analysis
            then finds no test data in training, it does not follow the training's data.
    """

    __test__ = False  # not a test class, despite its name

    benchmark: str
    kits: tuple[str, ...] = ()
    logs: frozenset[str] = frozenset()
    everything: bool = False

    @cached_property
    def published(self) -> PublishedTestSet:
        """The locations at which the benchmark's test items are published."""
        try:
            return published_test_set(self.benchmark)
        except InputError:
            return PublishedTestSet()

    def repository(self, repo: str, config: str | None, split: str | None) -> bool | None:
        """Return True if a split of a repository holds test items, False if not, None if that is not known.

        Args:
            repo: `OWNER/NAME`, in the forms of `PublishedRepository.name`.
            config: name of the configuration, or path of the file; None or a text with `UNKNOWN` if not known.
            split: name of the split; None or a text with `UNKNOWN` if not known.
        """
        if self.everything:
            return True
        name = repo.lower().removeprefix("datasets/").removesuffix(".git")
        on_modelscope = name.startswith(("modelscope/", "ai-modelscope/"))
        if config and any(re.search(pattern, config) for pattern in self.published.others):
            return False
        for known in self.published.repositories:
            if not known.evidence or not (
                fnmatchcase(name, known.name) or (on_modelscope and _last(name) == _last(known.name))
            ):
                continue
            answers = [_matches(config, known.files or "*"), _matches(split, known.splits)]
            if False not in answers:
                return None if None in answers else True
        return False

    def package(self, name: str) -> bool:
        """Return True if a dotted name is a function that returns test items: a loader, or a task of Inspect."""
        for module in self.published.packages:
            if name.startswith(f"{module}."):
                last = name.rpartition(".")[2]
                return not module.startswith("inspect_evals.") or last.startswith(module.rpartition(".")[2])
        return False

    def names_benchmark(self, text: str) -> bool:
        """Return True if a text, such as the name of an evaluation harness's task, names the benchmark."""
        task, own = (re.sub(r"[\W_]", "", name.lower()) for name in (text, self.benchmark))
        return bool(own) and task.startswith(own)

    def path(self, text: str) -> tuple[str, bool] | None:
        """Return (description, certain) if a path or web address is one of test items, else None."""
        if "\n" in text or len(text) > 1000:
            return None
        if self.everything and _ROWS.match(text.rpartition("/")[2]) and not _SETTINGS.search(text):
            return text, UNKNOWN not in text and _CERTAIN_ROWS.search(text.rpartition("/")[2]) is not None
        if text.startswith(("hub:", "hf://", "http://", "https://", "git@")):
            return self._address(text)
        name = text.rsplit("/", 1)[-1]
        for kit in self.kits:
            if text in (f"{kit}/data/test.jsonl", f"{kit}/data", kit) or text.startswith(f"{kit}/data/test"):
                return ("the kit's data/test.jsonl", True) if text != kit and text != f"{kit}/data" else None
        if text.startswith(UNKNOWN) and text.endswith("/data/test.jsonl"):
            return "data/test.jsonl of an unknown directory", False
        if name == CHECKER:
            return "the contamination checker's test_data.json", True
        if match := _CACHED.search(text):
            return self._repository_file(f"{match[1]}/{match[2]}", match[3], text.replace(UNKNOWN, "*"))
        if LOGS.search(name) and UNKNOWN not in name:
            return "an evaluation log", True
        if text in self.logs:
            return "an evaluation log", True
        if any(_may_be(log, text) for log in self.logs):
            return "an evaluation log", False
        return None

    def _address(self, text: str) -> tuple[str, bool] | None:
        display = text.replace(UNKNOWN, "*")
        if text.startswith("hub:"):
            repo, _, file = text.removeprefix("hub:").partition("//")
            return self._repository_file(repo, file, display)
        if text.startswith("hf://"):
            parts = text.removeprefix("hf://").removeprefix("datasets/").split("/")
            return self._repository_file("/".join(parts[:2]).split("@")[0], "/".join(parts[2:]), display)
        if any(re.search(pattern, text) for pattern in self.published.others):
            return None
        if any(re.search(pattern, text) for pattern in self.published.addresses):
            return display, True
        url = urlsplit(text)
        destination = classify(url.hostname or "", url.path + (f"?{url.query}" if url.query else ""))
        return self._repository_file(destination.repo, destination.file or "", display) if destination.repo else None

    def _repository_file(self, repo: str, file: str, display: str) -> tuple[str, bool] | None:
        split = next((part for part in ("test", "train", "validation") if part in file.lower()), None)
        answer = self.repository(repo, file or None, split)
        return None if answer is False else (display, answer is True)


def _may_be(name: str, pattern: str) -> bool:
    """Return True if a path with `*` or unknown parts may be that of a file."""
    wild = pattern.replace(UNKNOWN, "*")
    return "*" in wild and len(wild.strip("*/. ")) >= LEAST_PATTERN and fnmatchcase(name, wild)


def _last(name: str) -> str:
    return name.rpartition("/")[2]


def _matches(text: str | None, pattern: str) -> bool | None:
    if pattern == "*":
        return True
    if not text or UNKNOWN in text or "*" in text:
        return None
    return any(fnmatchcase(part.split("[")[0].strip().lower(), pattern) for part in text.split("+"))
