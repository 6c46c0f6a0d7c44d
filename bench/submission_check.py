"""Speed of the final check: deciding on a submission and writing its canonical form. Goal: at most twice a hashed read.

    python bench/submission_check.py [--gigabytes 4] [--shards 2] [--scratch DIR]

Writes a random bfloat16 base model and a submission of `--gigabytes` each, with the sizes of Qwen3, and measures
reading the submission, reading and hashing it, `examine`, and `examine` with `write` (a copy). Each line gives the
median of three measurements and its ratio to reading with hashing; the cases alternate, and the files are in the page
cache if they fit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from posttrainbench.submission.canonical import examine, write
from posttrainbench.submission.sanitize import sanitize
from posttrainbench.submission.tensors import INDEX

HIDDEN, INNER, ROWS = 2048, 6144, 65_536
PIECE = 2**22
RUNS = 3


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=4.0, help="size of the submission")
    parser.add_argument("--shards", type=int, default=2, help="number of weight files")
    parser.add_argument("--scratch", type=Path, help="directory for the files; default: the temporary directory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        base, final, out = (Path(scratch, name) for name in ("base", "final_model", "out"))
        make(base, args.gigabytes, args.shards, "")
        make(final, args.gigabytes, args.shards, "")
        prefixed = Path(scratch, "prefixed")
        make(prefixed, args.gigabytes, args.shards, "module.")
        size = sum(path.stat().st_size for path in final.glob("*.safetensors"))

        def check(source: Path, link: bool = False) -> None:
            out.mkdir()
            examination = examine(source, base)
            assert examination.plan is not None, examination.problems
            write(examination.plan, out, link=link)
            shutil.rmtree(out)

        def final_check() -> None:
            out.mkdir()
            assert sanitize(final, out, base).state == "accepted"
            shutil.rmtree(out)

        cases: dict[str, Callable[[], object]] = {
            "read": lambda: read(final, hashed=False),
            "read and hash": lambda: read(final, hashed=True),
            "read, hash and copy": lambda: read(final, hashed=True, copy=out),
            "examine": lambda: examine(final, base),
            "evaluate.py: examine and link": lambda: check(final, link=True),
            "final check: examine and copy": final_check,
            "final check, tensors renamed": lambda: check(prefixed),
        }
        seconds: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(RUNS):
            for name, case in cases.items():
                started = time.perf_counter()
                case()
                seconds[name].append(time.perf_counter() - started)
        print(f"{size / 1e9:.2f} GB in {args.shards} files")
        whole = statistics.median(seconds["read and hash"])
        for name, measured in seconds.items():
            median = statistics.median(measured)
            print(f"{name:32} {median:7.2f} s {size / 1e9 / median:6.2f} GB/s {median / whole:6.2f}x")


def read(folder: Path, hashed: bool, copy: Path | None = None) -> None:
    """Read all weight files, with SHA-256 if `hashed`, and write them to `copy`, which is then removed."""
    if copy:
        copy.mkdir()
    for path in sorted(folder.glob("*.safetensors")):
        digest = hashlib.sha256()
        with path.open("rb") as file, (copy / path.name if copy else Path("/dev/null")).open("wb") as target:
            while data := file.read(PIECE):
                if hashed:
                    digest.update(data)
                if copy:
                    target.write(data)
    if copy:
        shutil.rmtree(copy)


def make(folder: Path, gigabytes: float, shards: int, prefix: str) -> None:
    """Write a random checkpoint of about this size, with names that begin with `prefix`."""
    folder.mkdir()
    shapes = {"model.embed_tokens.weight": (ROWS, HIDDEN), "model.norm.weight": (HIDDEN,)}
    layer = 0
    while sum(2 * int(np.prod(shape)) for shape in shapes.values()) < gigabytes * 1e9:
        for part in ("gate", "up", "down"):
            shape = (HIDDEN, INNER) if part == "down" else (INNER, HIDDEN)
            shapes[f"model.layers.{layer}.mlp.{part}_proj.weight"] = shape
        layer += 1
    names = list(shapes)
    weight_map: dict[str, str] = {}
    random = np.random.default_rng(0)
    for number in range(shards):
        file = f"model-{number + 1:05}-of-{shards:05}.safetensors"
        chosen = names[number::shards]
        weight_map |= {prefix + name: file for name in chosen}
        write_file(folder / file, {prefix + name: shapes[name] for name in chosen}, random)
    (folder / INDEX).write_text(json.dumps({"weight_map": weight_map}))
    config = {
        "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "hidden_size": HIDDEN, "vocab_size": ROWS,
        "num_hidden_layers": layer, "intermediate_size": INNER, "tie_word_embeddings": True,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(config))


def write_file(path: Path, shapes: dict[str, tuple[int, ...]], random: np.random.Generator) -> None:
    header: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    end = 0
    for name, shape in shapes.items():
        size = 2 * int(np.prod(shape))
        header[name] = {"dtype": "BF16", "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(header).encode()
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        pool = random.normal(0, 0.02, 2**22).astype(np.float32).view(np.uint32) >> 16
        data = pool.astype(np.uint16).tobytes()
        while end > 0:
            file.write(data[:end])
            end -= len(data)


if __name__ == "__main__":
    main()
