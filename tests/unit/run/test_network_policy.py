"""The egress policy of a run: it blocks the test data of a user's own benchmark like that of the shipped ones."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks import test_sets
from posttrainbench.benchmarks.base import Benchmark, Source
from posttrainbench.catalog import loading
from posttrainbench.gateway.egress import EgressPolicy
from posttrainbench.gateway.egress.destinations import classify
from posttrainbench.run.network import egress_policy

FACTS = """\
id: mine
title: Mine
metric: exact name
max_tokens: 32
test_items: 1
test_set:
  repositories: [me/copy, {name: me/mixed, splits: test}]
  addresses: ['https://example[.]org/mine/test[.]csv']
"""


def policy(benchmark: str, **options: Any) -> EgressPolicy:
    fields = {
        "network": "open",
        "hosts": [],
        "model": "Qwen3-1.7B-Base",
        "deny_test_data": True,
        "deny_instruct": False,
    }
    found = egress_policy(SimpleNamespace(benchmark=benchmark, **(fields | options)))  # type: ignore[arg-type]
    assert found is not None
    return found


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A benchmark with code of its own, whose catalog entry names two copies of its test set."""
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "benchmarks" / "mine.yaml").write_text(FACTS)
    monkeypatch.setenv(loading.VARIABLE, str(tmp_path))
    loading.load_shelf.cache_clear()
    sources: Any = {"test": Source("Me/My-Bench", "0", ("test.parquet",))}
    task: Any = lambda items, services: None  # noqa: E731
    benchmark = Benchmark("mine", lambda split: [], task, Path("scorer.py"), sources=sources)
    real = test_sets.load_benchmark
    monkeypatch.setattr(test_sets, "load_benchmark", lambda name: benchmark if name == "mine" else real(name))


@pytest.mark.usefixtures("mine")
def test_the_test_data_of_a_users_benchmark_is_blocked() -> None:
    blocked = policy("mine")
    for path, is_blocked in {
        "/datasets/me/my-bench/resolve/main/test.parquet": True,  # what the benchmark itself is pulled from
        "/datasets/me/copy/resolve/main/anything.parquet": True,
        "/datasets/me/mixed/resolve/main/data/test-0.parquet": True,
        "/datasets/me/mixed/resolve/main/data/train-0.parquet": False,
        "/datasets/openai/gsm8k/resolve/main/main/test-0.parquet": False,
    }.items():
        denial = blocked.check(classify("huggingface.co", path))
        assert (denial is not None) == is_blocked, path
        assert denial is None or (denial.status == 451 and "test data of mine" in denial.reason)


@pytest.mark.usefixtures("mine")
def test_the_web_addresses_of_a_users_test_data_are_blocked() -> None:
    blocked = policy("mine")
    assert blocked.is_inspected("example.org")
    denial = blocked.check_address("example.org", "/mine/test.csv")
    assert denial is not None
    assert "test data of mine" in denial.reason
    assert blocked.check_address("example.org", "/mine/train.csv") is None
    free = policy("mine", deny_test_data=False)
    assert not free.is_inspected("example.org")
    assert free.check_address("example.org", "/mine/test.csv") is None


@pytest.mark.usefixtures("mine")
def test_nothing_is_blocked_unless_the_run_denies_it() -> None:
    path = "/datasets/me/my-bench/resolve/main/test.parquet"
    assert policy("mine", deny_test_data=False).check(classify("huggingface.co", path)) is None
    instruct = catalog.instruct_of(catalog.models()["Qwen3-1.7B-Base"]).hub
    model = classify("huggingface.co", f"/{instruct}/resolve/main/model.safetensors")
    assert policy("mine").check(model) is None
    assert policy("mine", deny_instruct=True).check(model) is not None
