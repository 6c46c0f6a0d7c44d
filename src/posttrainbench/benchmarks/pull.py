"""Pull benchmarks and models from the Hub into the store: pinned commits, verified hashes, atomic replacement."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from posttrainbench import catalog
from posttrainbench.benchmarks.base import Source, Split
from posttrainbench.benchmarks.data import read_provenance
from posttrainbench.benchmarks.importing import Origin, ParsedSplit, parse_split, store_splits, with_files
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.benchmarks.rows import read_rows
from posttrainbench.benchmarks.verify import check_split
from posttrainbench.catalog import Model
from posttrainbench.errors import InputError
from posttrainbench.files import write_json
from posttrainbench.hub.download import ProgressCallback, Repository, current_commit, fetch_file, file_infos, list_files
from posttrainbench.hub.models import ModelRecord, is_checkpoint_file, model_record, model_record_path
from posttrainbench.hub.store import store_write_errors
from posttrainbench.hub.web import fetch_url, is_url


@dataclass(frozen=True)
class Download:
    """One benchmark or model to pull.

    Attributes:
        weights: for a model, pull the weights too, not only configuration, tokenizer and chat template.
    """

    kind: Literal["benchmark", "model"]
    name: str
    weights: bool = False


def downloads(name: str, weights: bool) -> list[Download]:
    """Return what a benchmark, a model or a suite needs from the Hub.

    A suite needs its benchmarks and the tokenizers of the instruct counterparts; with weights, also the complete base
    models and counterparts.

    Raises:
        InputError: the name is unknown, or everything comes with the package or a catalog.
    """
    if name in catalog.suites():
        suite = catalog.suites()[name]
        needed = [Download("benchmark", name) for name in suite.benchmarks if load_benchmark(name).sources]
        for base in catalog.base_models(suite):
            models = [base, catalog.instruct_of(base)] if weights else [catalog.instruct_of(base)]
            needed += [Download("model", model.id, weights) for model in models if model.hub]
        if not needed:
            raise InputError(f"The suite {name} needs no data from the Hub.")
        return needed
    if name in catalog.benchmarks():
        return [Download("benchmark", with_files(name).id)]
    everything = {**catalog.suites(), **catalog.benchmarks(), **catalog.models()}
    if catalog.models()[catalog.find(everything, name, "benchmark, model or suite").id].hub is None:
        raise InputError(f"{name} needs no data from the Hub; it comes with its catalog.")
    return [Download("model", name, weights)]


def is_complete(download: Download) -> bool:
    """Return True for a benchmark whose data is here and whole; pulling it needs no network."""
    if download.kind == "model":
        return False
    return all(check_split(download.name, split).state == "whole" for split in with_files(download.name).sources)


def pull(download: Download, advance: ProgressCallback) -> str:
    """Download what is missing or damaged.

    Returns:
        A description of what is on this machine afterwards.

    Raises:
        InputError: the Hub does not have the files or denies access, or they differ from the catalog.
        InfrastructureError: the network failed, or a file was damaged in transfer.
    """
    if download.kind == "benchmark":
        return _pull_benchmark(download.name, advance)
    return _pull_model(catalog.models()[download.name], download.weights, advance)


def _pull_benchmark(name: str, advance: ProgressCallback) -> str:
    pinned = catalog.benchmarks()[name].sha256
    fresh: dict[Split, ParsedSplit] = {}
    for split, source in with_files(name).sources.items():
        present = check_split(name, split)
        # Items with the catalog's hash are correct whatever their source, for example imported files.
        if present.state == "whole" and (split in pinned or present.source == f"{source.repository}@{source.revision}"):
            continue
        fresh[split] = _download_split(name, split, source, advance)
    provenance = store_splits(name, fresh) if fresh else read_provenance(name)
    splits = provenance.splits if provenance else {}
    summary = ", ".join(f"{stored.items} {split} items" for split, stored in splits.items())
    return summary if fresh else f"{summary}, already here"


def _download_split(name: str, split: Split, source: Source, advance: ProgressCallback) -> ParsedSplit:
    repository = Repository(source.repository, source.revision, "dataset")
    on_the_hub = file_infos(repository, [file for file in source.files if not is_url(file)])
    fetched = {file.path: fetch_file(repository, file, advance) for file in on_the_hub}
    fetched |= {file: fetch_url(file, advance) for file in source.files if is_url(file)}
    rows = [row for file in source.files for row in read_rows(fetched[file].path)]
    origin = Origin({path: file.sha256 for path, file in fetched.items()}, source.repository, source.revision)
    return parse_split(with_files(name), split, rows, origin)


def _pull_model(model: Model, weights: bool, advance: ProgressCallback) -> str:
    before = model_record(model.id)
    commit = model.revision or (before.revision if before else current_commit(model.hub or ""))
    repository = Repository(model.hub or "", commit, "model")
    wanted = [file for file in list_files(repository) if is_checkpoint_file(file.path, weights)]
    if weights and not any(file.path.endswith(".safetensors") for file in wanted):
        raise InputError(f"{repository.page} has no weights in safetensors at {commit}; choose another model.")
    files = {file.path: fetch_file(repository, file, advance).sha256 for file in wanted}
    if before and before.repository == repository.name and before.revision == commit:
        files = before.files | files
    record = ModelRecord(
        repository=repository.name,
        revision=commit,
        files=files,
        time=datetime.now(UTC).isoformat(timespec="seconds"),
    )
    with store_write_errors():
        path = model_record_path(model.id)
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, record)
    return f"{len(wanted)} files{'' if weights else ', without weights'}"
