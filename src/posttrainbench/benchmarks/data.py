"""Read the data store of this machine: items of benchmarks as pulled or imported, with their provenance.

`benchmarks/ID/` contains `test.jsonl` (and `train.jsonl`), one item per line, and `provenance.json`. The directory is
replaced atomically, and every read checks the hash of the items against the catalog.
"""

import json
from functools import lru_cache
from pathlib import Path

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.benchmarks.base import Item, Split
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.errors import InputError, one_line
from posttrainbench.files import sha256_bytes
from posttrainbench.hub.store import store_root
from posttrainbench.records import Record


class SplitProvenance(Record):
    """Provenance of the items of a split.

    Attributes:
        repository: dataset repository on the Hub; None for imported files.
        revision: commit of the repository.
        files: name -> SHA-256 of the files that were read.
        items: number of items.
        items_sha256: hash of the items, comparable with the catalog's.
    """

    repository: str | None
    revision: str | None
    files: dict[str, str]
    items: int
    items_sha256: str
    time: str


class Provenance(Record):
    """`provenance.json`; `version` is the version of this package that parsed the items."""

    benchmark: str
    version: str
    splits: dict[Split, SplitProvenance]


def stored_items(benchmark_id: str, split: Split) -> list[Item]:
    """Return the verified items of a split; [] if the split has no published files.

    Raises:
        InputError: the items are not on this machine, or differ from the catalog.
    """
    if split not in load_benchmark(benchmark_id).sources:
        return []
    file = split_path(benchmark_id, split)
    try:
        stamp = file.stat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        raise InputError(
            f"The data of {benchmark_id} is not on this machine; run `ptb data pull {benchmark_id}`."
        ) from None
    return list(_cached(benchmark_id, split, file, stamp, _expected_sha256(benchmark_id, split)))


def read_split(benchmark_id: str, split: Split) -> list[Item]:
    """Read and verify the items of a split, without a cache.

    Raises:
        InputError: the file cannot be read, or its items differ from the catalog.
    """
    return list(_read(benchmark_id, split, split_path(benchmark_id, split), _expected_sha256(benchmark_id, split)))


def benchmark_folder(benchmark_id: str) -> Path:
    """Return the directory of a benchmark in the store."""
    return store_root() / "benchmarks" / benchmark_id


def split_path(benchmark_id: str, split: Split) -> Path:
    """Return the file of a split's items in the store."""
    return benchmark_folder(benchmark_id) / f"{split}.jsonl"


def read_provenance(benchmark_id: str) -> Provenance | None:
    """Return the provenance of the stored items of a benchmark; None if there are none.

    Raises:
        InputError: the record is damaged.
    """
    file = benchmark_folder(benchmark_id) / "provenance.json"
    try:
        return Provenance.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValidationError, OSError) as error:
        raise InputError(
            f"{file} is damaged; run `ptb data pull {benchmark_id}` to replace it: {one_line(error)}"
        ) from None


def item_line(item: Item) -> str:
    """Return an item as a line of the store; `items_sha256` hashes these lines."""
    return json.dumps(item.row, sort_keys=True)


def _expected_sha256(benchmark_id: str, split: Split) -> str:
    """Return the catalog's hash, or the hash of the first pull if the catalog has none."""
    facts = catalog.benchmarks().get(benchmark_id)
    if facts and split in facts.sha256:
        return facts.sha256[split]
    provenance = read_provenance(benchmark_id)
    if provenance is None or split not in provenance.splits:
        raise InputError(
            f"{benchmark_folder(benchmark_id)} has no provenance of its {split} items; "
            f"run `ptb data pull {benchmark_id}` to replace them."
        )
    return provenance.splits[split].items_sha256


def _read(benchmark_id: str, split: Split, file: Path, expected: str) -> tuple[Item, ...]:
    try:
        data = file.read_bytes().removesuffix(b"\n")
    except OSError as error:
        raise InputError(f"{file} cannot be read; run `ptb data pull {benchmark_id}`: {one_line(error)}") from None
    if sha256_bytes(data) != expected:
        raise InputError(
            f"{file} differs from the {split} items of {benchmark_id} in the catalog; "
            f"run `ptb data pull {benchmark_id}` to replace them."
        )
    return tuple(Item(**json.loads(line)) for line in data.split(b"\n"))


@lru_cache(maxsize=32)
def _cached(benchmark_id: str, split: Split, file: Path, stamp: int, expected: str) -> tuple[Item, ...]:
    """Read a split; `stamp` is the file's modification time, so that a changed file is read again."""
    return _read(benchmark_id, split, file, expected)
