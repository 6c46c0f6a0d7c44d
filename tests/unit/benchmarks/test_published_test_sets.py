"""Where test items are published: what benchmarks and catalogs declare."""

from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.benchmarks import registry
from posttrainbench.benchmarks import test_sets as lookup
from posttrainbench.benchmarks.base import Benchmark, Source, Split
from posttrainbench.benchmarks.test_sets import published_test_set
from posttrainbench.catalog import loading
from posttrainbench.errors import InputError

FACTS = """\
id: mine
title: Mine
metric: exact name
max_tokens: 32
test_items: 1
test_set:
  repositories:
    - Me/My-Bench
    - {{name: me/mixed, splits: Validation}}
    - {{name: me/all-tasks, files: "*mine*"}}
    - {{name: "*/mine*", evidence: false}}
  addresses: ['{address}']
  packages: [mine.data]
"""
DATA = """\
data:
  files: {test: test.jsonl}
  question: "{{ question }}"
  answer: answer
  scorer: exact
"""


def write(folder: Path, monkeypatch: pytest.MonkeyPatch, facts: str) -> None:
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks" / "mine.yaml").write_text(facts)
    monkeypatch.setenv(loading.VARIABLE, str(folder))
    loading.load_shelf.cache_clear()


def test_a_benchmark_without_code_declares_its_copies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, FACTS.format(address=r"mine/test\.csv") + DATA)
    declared = published_test_set("mine")
    assert [one.pattern for one in declared.repositories] == [
        "me/my-bench",
        "me/mixed:*validation*",
        "me/all-tasks:*mine*",
        "*/mine*",
    ]
    assert [one.evidence for one in declared.repositories] == [True, True, True, False]
    assert (declared.addresses, declared.packages) == ([r"mine/test\.csv"], ["mine.data"])


def test_an_address_is_a_regular_expression(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, monkeypatch, FACTS.format(address="mine/(test") + DATA)
    with pytest.raises(InputError, match=r"`test_set\.addresses\.0` should be a regular expression"):
        published_test_set("mine")


@pytest.mark.parametrize(
    ("sources", "patterns"),
    [
        ({"test": Source("A/B", "0", ("data.csv",))}, ["a/b"]),
        ({"test": Source("A/B", "0", ("t.csv",)), "train": Source("A/C", "0", ("x.csv",))}, ["a/b"]),
        (
            {
                "test": Source("A/B", "0", ("m/eval-00000-of-00002.parquet", "m/eval-00001-of-00002.parquet")),
                "train": Source("A/B", "0", ("m/train-00000-of-00001.parquet",)),
            },
            ["a/b:*eval*"],
        ),
    ],
)
def test_the_benchmarks_own_repository_is_known(
    sources: dict[Split, Source], patterns: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path, monkeypatch, FACTS.format(address="x"))
    benchmark = Benchmark("mine", lambda split: [], lambda items, services: None, Path("s.py"), sources=sources)  # type: ignore[arg-type,return-value]
    monkeypatch.setattr(lookup, "load_benchmark", lambda name: benchmark)
    found = [one.pattern for one in published_test_set("mine").repositories]
    assert found[: len(patterns)] == patterns
    assert "me/my-bench" in found


def test_files_at_web_addresses_are_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    addresses = published_test_set("arenahardwriting").addresses
    assert any("raw\\.githubusercontent\\.com/aisa" in one and "sha256" not in one for one in addresses)


def test_every_published_benchmark_has_a_known_test_set() -> None:
    for name, facts in catalog.benchmarks().items():
        has_source = bool(registry.load_benchmark(name).sources)
        assert bool(published_test_set(name).repositories) is has_source
        assert not has_source or facts.test_set.repositories


def test_an_unknown_benchmark_is_refused() -> None:
    with pytest.raises(InputError, match="nope"):
        published_test_set("nope")
