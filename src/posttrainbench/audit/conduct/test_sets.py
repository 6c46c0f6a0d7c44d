"""Where the benchmarks' test items can be had: repositories with their splits, addresses, and files in the sandbox.

A repository is listed where its rows are test items, in whatever form; translations and renamed copies included. What
is legal stays out: GSM8K's train split, MetaMathQA, MBPP, AIME 2024 and earlier.
"""

import re
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from posttrainbench.audit.conduct.values import UNKNOWN
from posttrainbench.destinations import classify


@dataclass(frozen=True)
class TestSet:
    """A repository that holds test items.

    Attributes:
        repo: shell-style pattern of `OWNER/NAME`, lower case.
        splits: pattern of the splits with test items; other splits are legal.
        configs: pattern of the configurations with test items.
    """

    __test__ = False  # no test class, whatever pytest makes of its name

    repo: str
    splits: str = "*"
    configs: str = "*"


def _sets(text: str, splits: str = "*", configs: str = "*") -> list[TestSet]:
    return [TestSet(name, splits, configs) for name in text.split()]


TEST_SETS: dict[str, list[TestSet]] = {
    "gsm8k": _sets("openai/gsm8k gsm8k openai/grade-school-math github.com/openai/grade-school-math", "test")
    + _sets("madrylab/gsm8k-platinum apple/gsm-symbolic reasoning-machines/gsm-hard openai/gsm8k_test")
    + _sets("juletxara/mgsm", "test"),
    "aime2025": _sets(
        "math-ai/aime25 opencompass/aime2025 yentinglin/aime_2025 matharena/aime_2025 matharena/aime_2025_i "
        "matharena/aime_2025_ii tiger-lab/aime25 lchen001/aime2025 */aime*2025* */aime*25"
    ),
    # Its only split is called `train`.
    "gpqamain": _sets("idavidrein/gpqa wanlong/gpqa hendrydong/gpqa_main */gpqa*main* */gpqa*extended* */gpqa*diamond*")
    + _sets("fingertap/gpqa-diamond github.com/idavidrein/gpqa"),
    "humaneval": _sets(
        "openai/openai_humaneval openai_humaneval evalplus/humanevalplus bigcode/humanevalpack mxeval/multi-humaneval "
        "thudm/humaneval-x github.com/openai/human-eval */*humaneval* */*human-eval* */*human_eval*"
    )
    + _sets("nuprl/multipl-e", configs="*humaneval*"),
    # Here too the only split is called `train`; all categories come in one repository.
    "bfcl": _sets("gorilla-llm/berkeley-function-calling-leaderboard github.com/shishirpatil/gorilla */bfcl*"),
    "healthbench": _sets("openai/healthbench */healthbench*"),
    "arenahardwriting": _sets(
        "lmarena-ai/arena-hard-auto lmarena-ai/arena-hard-auto-v2.0 github.com/lmarena/arena-hard-auto "
        "*/arena-hard* */arena_hard*"
    ),
}
"""Benchmark -> repositories."""

ADDRESSES: dict[str, tuple[str, ...]] = {
    "gsm8k": (r"grade-school-math/.*/test(_socratic)?\.jsonl",),
    "humaneval": (r"human-eval/.*HumanEval\.jsonl",),
    "bfcl": (r"BFCL_v\d_\w*\.json", r"gorilla_openfunctions_\w+_test"),
    "healthbench": (r"simple-evals/healthbench/",),
    "arenahardwriting": (r"arena-hard-v2\.0/question\.jsonl", r"arena_hard\w*/question\.jsonl"),
    "aime2025": (r"AIME_?(2025|25)",),
    "gpqamain": (r"gpqa_(main|extended|diamond|experts)\w*\.csv", r"/gpqa/.*dataset\.zip"),
}
"""Benchmark -> patterns of addresses and file names under which the same items are published."""

PACKAGES = {
    "aime2025": ("inspect_evals.aime2025",),
    "gsm8k": ("inspect_evals.gsm8k",),
    "gpqamain": ("inspect_evals.gpqa",),
    "humaneval": ("inspect_evals.humaneval", "human_eval.data", "evalplus.data"),
    "bfcl": ("inspect_evals.bfcl", "bfcl_eval", "bfcl"),
    "healthbench": ("inspect_evals.healthbench",),
    "arenahardwriting": (),
}
"""Benchmark -> Python modules whose functions give test items."""

LOGS = re.compile(r"\.eval$")
CHECKER = "test_data.json"
"""The file by which contamination checkers carry the test items."""


@dataclass(frozen=True)
class TestData:
    """Tells what is test data, for one benchmark.

    Attributes:
        benchmark: its id.
        kits: the kit's directory, as the sandbox shows it and as the run keeps it.
    """

    __test__ = False

    benchmark: str
    kits: tuple[str, ...] = ()

    def repository(self, repo: str, config: str | None, split: str | None) -> bool | None:
        """Whether a split of a repository holds test items; None where that depends on what is not known."""
        name = repo.lower().removeprefix("datasets/").removesuffix(".git")
        for known in TEST_SETS.get(self.benchmark, ()):
            if not fnmatchcase(name, known.repo):
                continue
            answers = [_matches(config, known.configs), _matches(split, known.splits)]
            if False not in answers:
                return None if None in answers else True
        return False

    def package(self, name: str) -> bool:
        """Whether a dotted name is a function that gives test items."""
        return any(name.startswith(f"{module}.") or name == module for module in PACKAGES.get(self.benchmark, ()))

    def path(self, text: str) -> tuple[str, bool] | None:
        """(what it is, whether that is sure) if a path or an address is one of test items."""
        if "\n" in text or len(text) > 1000:
            return None
        if text.startswith(("hub:", "hf://", "http://", "https://", "git@")):
            return self._address(text)
        name = text.rsplit("/", 1)[-1]
        for kit in self.kits:
            if text in (f"{kit}/data/test.jsonl", f"{kit}/data", kit) or text.startswith(f"{kit}/data/test"):
                return ("the kit's data/test.jsonl", True) if text != kit and text != f"{kit}/data" else None
        if text.startswith(UNKNOWN) and text.endswith("/data/test.jsonl"):
            return "data/test.jsonl of a directory that is not known", False
        if name == CHECKER:
            return "the contamination checker's test_data.json", True
        if LOGS.search(name) and UNKNOWN not in name:
            return "a log of an evaluation", True
        return None

    def _address(self, text: str) -> tuple[str, bool] | None:
        shown = text.replace(UNKNOWN, "*")
        if text.startswith("hub:"):
            repo, _, file = text.removeprefix("hub:").partition("//")
            return self._repo_file(repo, file, shown)
        if text.startswith("hf://"):
            parts = text.removeprefix("hf://").removeprefix("datasets/").split("/")
            return self._repo_file("/".join(parts[:2]).split("@")[0], "/".join(parts[2:]), shown)
        if any(re.search(pattern, text) for pattern in ADDRESSES.get(self.benchmark, ())):
            return shown, True
        place = urlsplit(text)
        found = classify(place.hostname or "", place.path + (f"?{place.query}" if place.query else ""))
        return self._repo_file(found.repo, found.file or "", shown) if found.repo else None

    def _repo_file(self, repo: str, file: str, shown: str) -> tuple[str, bool] | None:
        split = next((part for part in ("test", "train", "validation") if part in file.lower()), None)
        answer = self.repository(repo, file or None, split)
        return None if answer is False else (shown, answer is True)


def _matches(text: str | None, pattern: str) -> bool | None:
    if pattern == "*":
        return True
    if not text or UNKNOWN in text:
        return None
    return any(fnmatchcase(part.split("[")[0].strip().lower(), pattern) for part in text.split("+"))
