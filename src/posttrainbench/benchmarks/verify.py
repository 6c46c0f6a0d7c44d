"""Verify that pulled data and models are still present and unchanged."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from posttrainbench import catalog
from posttrainbench.benchmarks.base import Split
from posttrainbench.benchmarks.data import (
    SplitProvenance,
    benchmark_folder,
    read_provenance,
    read_split,
    split_path,
)
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.catalog import Model
from posttrainbench.errors import InputError
from posttrainbench.files import sha256_file
from posttrainbench.hub.models import ModelRecord, local_snapshot, model_record, model_record_path
from posttrainbench.hub.store import store_root

State = Literal["whole", "damaged", "absent", "present"]


@dataclass(frozen=True)
class Check:
    """Result of a check of one benchmark split or model.

    Attributes:
        part: the split of a benchmark; `weights` or `tokenizer` of a model.
        state: `present` if it was not read.
        count: number of intact items or files.
        source: repository and commit, or imported files.
        detail: the problem and how to fix it; "" if there is none.
    """

    kind: Literal["benchmark", "model"]
    name: str
    part: str
    state: State
    count: int
    source: str
    detail: str


def inventory() -> list[Check]:
    """Return the state of all benchmarks and models that are published on the Hub, without reading their files."""
    found = []
    for name in catalog.benchmarks():
        for split in load_benchmark(name).sources:
            provenance = read_provenance(name) if split_path(name, split).is_file() else None
            at = provenance.splits.get(split) if provenance else None
            state: State = "present" if at else "absent"
            found.append(Check("benchmark", name, split, state, at.items if at else 0, _source(at), ""))
    for model in catalog.models().values():
        record = model_record(model.id) if model.hub else None
        if record:
            source = f"{record.repository}@{record.revision}"
            found.append(Check("model", model.id, _part(record), "present", len(record.files), source, ""))
        elif model.hub:
            found.append(Check("model", model.id, "", "absent", 0, "", ""))
    return found


def verify(name: str | None = None) -> list[Check]:
    """Check everything in the store, or everything that belongs to one benchmark, model or suite.

    Only a named benchmark, model or suite can be reported as absent.

    Raises:
        InputError: the name is unknown.
    """
    if name is None:
        benchmarks = [one for one in catalog.benchmarks() if benchmark_folder(one).exists()]
        models = [one for one in catalog.models() if model_record_path(one).exists()]
    elif name in catalog.suites():
        suite = catalog.suites()[name]
        benchmarks = suite.benchmarks
        models = [one.id for base in catalog.base_models(suite) for one in (base, catalog.instruct_of(base))]
        # Weights of a suite are pulled on demand: a base model that was never pulled is not an error.
        models = [one for one in models if not catalog.models()[one].instruct or model_record_path(one).exists()]
    else:
        benchmarks, models = ([name], []) if name in catalog.benchmarks() else ([], [name])
        catalog.find(
            {**catalog.suites(), **catalog.benchmarks(), **catalog.models()}, name, "benchmark, model or suite"
        )
    found = [check_split(one, split) for one in benchmarks for split in load_benchmark(one).sources]
    return found + [check_model(catalog.models()[one]) for one in models if catalog.models()[one].hub]


def check_split(benchmark_id: str, split: Split) -> Check:
    """Read one split of a benchmark and check its hash."""
    state: State = "whole"
    count, source, detail = 0, "", ""
    if not split_path(benchmark_id, split).is_file():
        state, detail = "absent", f"run `ptb data pull {benchmark_id}`."
    else:
        try:
            count = len(read_split(benchmark_id, split))
            provenance = read_provenance(benchmark_id)
            source = _source(provenance.splits.get(split) if provenance else None)
        except (InputError, OSError) as error:
            state, detail = "damaged", str(error)
    return Check("benchmark", benchmark_id, split, state, count, source, detail)


def check_model(model: Model) -> Check:
    """Check the hash of every file that was pulled for a model."""
    try:
        record = model_record(model.id)
    except InputError as error:
        return Check("model", model.id, "", "damaged", 0, "", str(error))
    if record is None:
        return Check("model", model.id, "", "absent", 0, "", f"run `ptb data pull {model.id}`.")
    part = _part(record)
    again = f"run `ptb data pull {model.id}{' --weights' if part == 'weights' else ''}` again."
    source = f"{record.repository}@{record.revision}"
    if model.hub != record.repository or (model.revision or record.revision) != record.revision:
        return Check("model", model.id, part, "damaged", 0, source, f"the catalog names another commit; {again}")
    folder = local_snapshot(record.repository, record.revision) or Path(store_root() / "absent")
    bad = [name for name, sha256 in record.files.items() if not _has_hash(folder / name, sha256)]
    if not bad:
        return Check("model", model.id, part, "whole", len(record.files), source, "")
    state: State = "absent" if not any((folder / name).exists() for name in record.files) else "damaged"
    return Check(
        "model",
        model.id,
        part,
        state,
        len(record.files) - len(bad),
        source,
        f"{', '.join(bad)}: missing or changed since the pull; {again}",
    )


def _source(at: SplitProvenance | None) -> str:
    if at is None:
        return ""
    return f"{at.repository}@{at.revision}" if at.repository else f"imported: {', '.join(at.files)}"


def _part(record: ModelRecord) -> str:
    return "weights" if any(name.endswith(".safetensors") for name in record.files) else "tokenizer"


def _has_hash(file: Path, sha256: str) -> bool:
    return file.is_file() and sha256_file(file) == sha256
