"""Look up where a benchmark's test items are published.

The catalog lists the copies (`test_set` of a benchmark's entry). The repository that a benchmark itself is pulled from
is added from its `sources`.
"""

import re
from collections.abc import Mapping

from posttrainbench import catalog
from posttrainbench.benchmarks.base import Source, Split
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.catalog import PublishedRepository, PublishedTestSet

_SHARD = re.compile(r"-\d+-of-\d+$")


def published_test_set(benchmark_id: str) -> PublishedTestSet:
    """Return everywhere the test items of a benchmark are known to be published.

    Raises:
        InputError: the benchmark is not installed.
    """
    facts = catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
    sources = load_benchmark(benchmark_id).sources
    own = _own_repositories(sources)
    addresses = [re.escape(file.partition("#")[0]) for file in _files(sources) if "://" in file]
    return facts.test_set.model_copy(
        update={
            "repositories": [*own, *facts.test_set.repositories],
            "addresses": [*addresses, *facts.test_set.addresses],
        }
    )


def _own_repositories(sources: Mapping[Split, Source]) -> list[PublishedRepository]:
    """The repository of the test split: all of it, or only its test files where the train split is in it too."""
    if "test" not in sources:
        return []
    name = sources["test"].repository
    if "train" not in sources or sources["train"].repository != name:
        return [PublishedRepository(name=name)]
    splits = sorted({_split_name(file) for file in _files(sources) if "://" not in file})
    return [PublishedRepository(name=name, splits=split) for split in splits]


def _files(sources: Mapping[Split, Source]) -> tuple[str, ...]:
    return sources["test"].files if "test" in sources else ()


def _split_name(file: str) -> str:
    """The Hub's name of the split that a file holds, such as `test` for `main/test-00000-of-00001.parquet`."""
    return _SHARD.sub("", file.rsplit("/", 1)[-1].split(".")[0])
