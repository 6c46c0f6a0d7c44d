"""Convert rows of published files to items, check their number and hash, and put them into the store."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from posttrainbench import __version__, catalog
from posttrainbench.benchmarks.base import Benchmark, Item, Row, Split, items_sha256
from posttrainbench.benchmarks.data import (
    Provenance,
    SplitProvenance,
    benchmark_folder,
    item_line,
    read_provenance,
    read_split,
)
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.rows import read_rows
from posttrainbench.errors import InputError
from posttrainbench.files import sha256_file
from posttrainbench.hub.store import replace_directory, store_write_errors


@dataclass(frozen=True)
class Origin:
    """Source of rows: files with their SHA-256; repository and commit on the Hub unless the files were imported."""

    files: dict[str, str]
    repository: str | None = None
    revision: str | None = None


@dataclass(frozen=True)
class ParsedSplit:
    """A checked split, ready to be stored."""

    items: list[Item]
    provenance: SplitProvenance


def import_files(benchmark_id: str, files: list[Path], split: Split = "test") -> Provenance:
    """Store the items of one split, read from local copies of its published files.

    Raises:
        InputError: the benchmark has no published files for the split, or the items differ from the catalog.
    """
    benchmark = with_files(benchmark_id)
    if split not in benchmark.sources:
        raise InputError(f"{benchmark_id} has no published {split} split; it has: {', '.join(benchmark.sources)}.")
    rows = [row for file in files for row in read_rows(file)]
    origin = Origin({file.name: sha256_file(file) for file in files})
    return store_splits(benchmark_id, {split: parse_split(benchmark, split, rows, origin)})


def with_files(benchmark_id: str) -> Benchmark:
    """Return a benchmark that has published files.

    Raises:
        InputError: the benchmark is unknown, or its items come with its code or its catalog.
    """
    catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
    benchmark = load_benchmark(benchmark_id)
    if not benchmark.sources:
        raise InputError(f"{benchmark_id} needs no external data; its items come with its code or its catalog.")
    return benchmark


def parse_split(benchmark: Benchmark, split: Split, rows: list[Row], origin: Origin) -> ParsedSplit:
    """Convert the rows of a split's files to items.

    Raises:
        InputError: a row is invalid, or the number or hash of the items differs from the catalog.
    """
    if benchmark.parse is None:
        raise InputError(f"The benchmark {benchmark.id} has `sources` and needs a `parse` function.")
    items = benchmark.parse(split, rows)
    facts = catalog.find(catalog.benchmarks(), benchmark.id, "benchmark")
    names = ", ".join(origin.files)
    wanted = facts.test_items if split == "test" else facts.train_items
    if len(items) != wanted:
        raise InputError(
            f"{names}: expected {wanted} {split} items of {benchmark.id}, found {len(items)}; "
            "pass all files of that split, and no others."
        )
    sha256 = items_sha256(items)
    expected = facts.sha256.get(split, sha256)
    if sha256 != expected:
        raise InputError(
            f"The {split} items of {benchmark.id} in {names} differ from the catalog: their hash is "
            f"{sha256[:12]}, expected {expected[:12]}; use the published files."
        )
    return ParsedSplit(
        items,
        SplitProvenance(
            repository=origin.repository,
            revision=origin.revision,
            files=origin.files,
            items=len(items),
            items_sha256=sha256,
            time=datetime.now(UTC).isoformat(timespec="seconds"),
        ),
    )


def store_splits(benchmark_id: str, splits: Mapping[Split, ParsedSplit]) -> Provenance:
    """Store splits, and keep other intact splits of the benchmark."""
    kept = {split: parsed for split, parsed in _stored(benchmark_id).items() if split not in splits}
    together = kept | dict(splits)
    record = Provenance(
        benchmark=benchmark_id,
        version=__version__,
        splits={split: parsed.provenance for split, parsed in together.items()},
    )
    content = {
        f"{split}.jsonl": "".join(f"{item_line(item)}\n" for item in parsed.items).encode()
        for split, parsed in together.items()
    }
    content["provenance.json"] = (record.model_dump_json(indent=2) + "\n").encode()
    with store_write_errors():
        replace_directory(benchmark_folder(benchmark_id), content)
    return record


def _stored(benchmark_id: str) -> dict[Split, ParsedSplit]:
    found: dict[Split, ParsedSplit] = {}
    try:
        before = read_provenance(benchmark_id)
        for split, provenance in before.splits.items() if before else ():
            found[split] = ParsedSplit(read_split(benchmark_id, split), provenance)
    except (InputError, OSError):
        pass  # a damaged split is dropped
    return found
