import pytest

from posttrainbench.audit.behavior.test_sets import TestData
from posttrainbench.audit.behavior.values import UNKNOWN
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.test_sets import published_test_set

OFFICIAL = ("aime2025", "arenahardwriting", "bfcl", "gpqamain", "gsm8k", "healthbench", "humaneval")


@pytest.mark.parametrize("benchmark", OFFICIAL)
def test_the_benchmarks_own_source_is_a_test_set(benchmark: str) -> None:
    source = load_benchmark(benchmark).sources["test"]
    file = source.files[0].rsplit("/", 1)[-1]
    split = "test" if "test" in file else "train"
    assert TestData(benchmark).repository(source.repository, None, split) is True


@pytest.mark.parametrize(
    ("benchmark", "repository", "config", "split", "answer"),
    [
        ("gsm8k", "openai/gsm8k", "main", "test", True),
        ("gsm8k", "OpenAI/GSM8K", "main", "test[:10%]", True),
        ("gsm8k", "gsm8k", "main", "train+test", True),
        ("gsm8k", "openai/gsm8k", "main", "train", False),
        ("gsm8k", "openai/gsm8k", "main", UNKNOWN, None),
        ("gsm8k", "openai/gsm8k", "main", None, None),
        ("gsm8k", "meta-math/MetaMathQA", None, "train", False),
        ("gsm8k", "Idavidrein/gpqa", None, "train", False),
        ("gpqamain", "Idavidrein/gpqa", "gpqa_main", "train", True),
        ("bfcl", "gorilla-llm/Berkeley-Function-Calling-Leaderboard", None, "train", True),
        ("bfcl", "Salesforce/xlam-function-calling-60k", None, "train", False),
        ("aime2025", "Maxwell-Jia/AIME_2024", None, "train", False),
        ("aime2025", "AI-MO/aimo-validation-aime", None, "train", False),
        ("aime2025", "opencompass/AIME2025", "AIME2025-I", "test", True),
        ("humaneval", "nuprl/MultiPL-E", "humaneval-java", "test", True),
        ("humaneval", "nuprl/MultiPL-E", "mbpp-java", "test", False),
        ("humaneval", "google-research-datasets/mbpp", None, "test", False),
        ("micro-math", "openai/gsm8k", "main", "test", False),
    ],
)
def test_repositories(
    benchmark: str, repository: str, config: str | None, split: str | None, answer: bool | None
) -> None:
    assert TestData(benchmark).repository(repository, config, split) is answer


@pytest.mark.parametrize(
    ("benchmark", "path", "sure"),
    [
        ("gsm8k", "/ptb/kit/data/test.jsonl", True),
        ("gsm8k", f"{UNKNOWN}/data/test.jsonl", False),
        ("gsm8k", "../test_data.json", True),
        ("gsm8k", "logs/2026.eval", True),
        ("gsm8k", "hf://datasets/openai/gsm8k/main/test-00000-of-00001.parquet", True),
        ("humaneval", "https://raw.githubusercontent.com/openai/human-eval/master/data/HumanEval.jsonl.gz", True),
        ("healthbench", "https://openaipublic.blob.core.windows.net/simple-evals/healthbench/hard.jsonl", True),
    ],
)
def test_paths_of_test_data(benchmark: str, path: str, sure: bool) -> None:
    found = TestData(benchmark, ("/ptb/kit",)).path(path)
    assert found is not None
    assert found[1] is sure


@pytest.mark.parametrize(
    "path",
    [
        "data/test.jsonl",
        "/ptb/kit/data/train.jsonl",
        "/ptb/kit/evaluate.py",
        "hf://datasets/openai/gsm8k/main/train-00000-of-00001.parquet",
        "https://raw.githubusercontent.com/openai/grade-school-math/master/grade_school_math/data/train.jsonl",
        "https://example.org/test.jsonl",
        "model.eval()",
    ],
)
def test_other_paths(path: str) -> None:
    assert TestData("gsm8k", ("/ptb/kit",)).path(path) is None


@pytest.mark.parametrize("benchmark", OFFICIAL)
def test_names_are_in_lower_case(benchmark: str) -> None:
    repositories = published_test_set(benchmark).repositories
    assert repositories
    assert all(one.name == one.name.lower() for one in repositories)


def test_a_benchmark_that_is_not_installed_has_no_published_test_set() -> None:
    assert TestData("nope").repository("openai/gsm8k", "main", "test") is False
