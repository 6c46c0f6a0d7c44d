"""A third-party package with a benchmark with published files, a model on the Hub, and their catalog."""

import csv
import gzip
import io
import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from posttrainbench.catalog import loading

COMMIT = "c" * 40
MODEL_COMMIT = "d" * 40
TRAIN = [{"question": f"Say {number}.", "answer": str(number)} for number in range(5)]
TEST = [{"question": f"Söy {number}.", "answer": str(number)} for number in range(100, 104)]

MODULE = """
from functools import partial
from pathlib import Path

from posttrainbench.benchmarks.base import Benchmark, Item, Source
from posttrainbench.benchmarks.data import stored_items
from posttrainbench.benchmarks.scorers import number
from posttrainbench.errors import InputError


def parse(split, rows):
    for index, row in enumerate(rows):
        if not row.get("answer"):
            raise InputError(f"Row {index} has no `answer`.")
    return [
        Item(f"tiny/{split}/{index:04}", row["question"], row["answer"], {"number": int(row["answer"])})
        for index, row in enumerate(rows)
    ]


BENCHMARK = Benchmark(
    id="tiny",
    load=partial(stored_items, "tiny"),
    task=None,
    scorer=Path(number.__file__),
    sources={
        "train": Source("org/tiny-data", "c" * 40, ("data/train.parquet",)),
        "test": Source("org/tiny-data", "c" * 40, ("test-1.jsonl.gz", "test-2.csv"), gated=True),
    },
    parse=parse,
)
"""

FACTS = "id: tiny\ntitle: Tiny\nmetric: m\nmax_tokens: 9\ntrain_items: 5\ntest_items: 4\n"
MODEL = "title: t\nfamily: qwen3\n"


def install(folder: Path, *, facts: str = "", revision: str | None = MODEL_COMMIT) -> Path:
    """Write the package where `PYTHONPATH` or `sys.path` can name it.

    Args:
        facts: further lines of the benchmark's entry.
        revision: commit of the models in the catalog.
    """
    entries = folder / "tiny_package" / "entries"
    for shelf in ("benchmarks", "models", "suites"):
        (entries / shelf).mkdir(parents=True, exist_ok=True)
    (folder / "tiny_package" / "__init__.py").write_text(MODULE)
    (entries / "benchmarks" / "tiny.yaml").write_text(FACTS + facts)
    pin = f"revision: {revision}\n" if revision else ""
    (entries / "models" / "tiny-base.yaml").write_text(
        f"id: tiny-base\n{MODEL}hub: org/tiny-base\n{pin}instruct: tiny-it\n"
    )
    (entries / "models" / "tiny-it.yaml").write_text(f"id: tiny-it\n{MODEL}hub: org/tiny-it\n{pin}")
    (entries / "suites" / "tiny-suite.yaml").write_text(
        "id: tiny-suite\ntitle: t\nmodels: [tiny-base]\nbenchmarks: [micro-math, tiny]\nbudget: 60\ngpus: 0\n"
        "rules: v1\nrequired: []\nevaluation_seeds: [0]\ntries: [1]\nengine: transformers\n"
    )
    metadata = folder / "tiny-1.dist-info"
    metadata.mkdir(exist_ok=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: tiny\nVersion: 1\n")
    (metadata / "entry_points.txt").write_text(
        "[posttrainbench.benchmarks]\ntiny = tiny_package:BENCHMARK\n"
        "[posttrainbench.catalogs]\ntiny = tiny_package.entries\n"
    )
    return folder


@contextmanager
def fresh_catalog() -> Iterator[None]:
    """Clear the caches of packages and catalogs before and after the context."""

    def forget() -> None:
        loading._installed.cache_clear()
        loading.load_shelf.cache_clear()
        for name in [name for name in sys.modules if name.startswith("tiny_package")]:
            del sys.modules[name]

    forget()
    yield
    forget()


def published_files() -> dict[str, bytes]:
    """Return the files of the benchmark's data-set repository."""
    import pyarrow
    import pyarrow.parquet

    parquet = io.BytesIO()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(TRAIN), parquet)
    lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in TEST[:2])
    table = io.StringIO(newline="")
    writer = csv.DictWriter(table, ["question", "answer"])
    writer.writeheader()
    writer.writerows(TEST[2:])
    return {
        "data/train.parquet": parquet.getvalue(),
        "test-1.jsonl.gz": gzip.compress(lines.encode(), mtime=0),
        "test-2.csv": table.getvalue().encode(),
        "README.md": b"A data set.",
    }


def model_files(name: str) -> dict[str, bytes]:
    """Return the files of a model, including weights."""
    template = {} if name.endswith("base") else {"chat_template.jinja": b"{{ messages }}"}
    return {
        "config.json": b"{}",
        "tokenizer_config.json": b"{}",
        "tokenizer.json": name.encode(),
        "model.safetensors": bytes(range(256)) * 2048,
        "pytorch_model.bin": b"not wanted",
        "onnx/model.json": b"not wanted",
        **template,
    }
