"""Speed of `ptb lineage`, compared with reading and hashing the same files. Goal: at most 1.5 times the reading time.

    python bench/lineage.py [--size 3.0] [--runs 3] [--scratch DIR]

Generates a bfloat16 base of `--size` GB in the shapes of a transformer of about 1.5 billion weights, an instruct
sibling and an honest candidate, which takes three times as much disk space. Measures with the files in the page cache,
and with the files dropped from it before each run (`posix_fadvise`), where the disk is the limit.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from posttrainbench.audit.lineage import Checkpoint, compare
from posttrainbench.audit.lineage.pack import Pack, write_pack
from posttrainbench.audit.lineage.pair import CheckpointPair
from posttrainbench.audit.lineage.streaming import threads

HIDDEN, INNER, HEADS, VOCABULARY, LAYERS = 2048, 6144, 2048, 150_000, 25
POOL = 2**22


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--size", type=float, default=3.0, help="GB of one checkpoint")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scratch", type=Path, help="directory for the files; default: the temporary directory")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.scratch) as scratch:
        folders = {name: Path(scratch, name) for name in ("candidate", "base", "instruct")}
        for name, folder in folders.items():
            make(folder, name, args.size)
        files = [folder / "model.safetensors" for folder in folders.values()]
        pack = Path(scratch, "pack.safetensors")
        started = time.perf_counter()
        write_pack(Checkpoint.open(folders["base"], "base"), Checkpoint.open(folders["instruct"], "instruct"), pack)
        packing = time.perf_counter() - started
        print(f"{sum(file.stat().st_size for file in files) / 1e9:.2f} GB in three checkpoints, {threads()} threads")
        print(f"the reference pack has {pack.stat().st_size / 1e6:.0f} MB and took {packing:.1f} s")

        def lineage() -> None:
            opened = {name: Checkpoint.open(folder, name) for name, folder in folders.items()}
            found = compare(opened["candidate"], CheckpointPair(opened["base"], opened["instruct"]))
            assert found.verdict == "clean", found.reasons

        def by_pack() -> None:
            found = compare(Checkpoint.open(folders["candidate"], "candidate"), Pack.open(pack))
            assert found.verdict == "clean", found.reasons

        lineage()  # compiles the kernel, once per machine
        ways: dict[str, tuple[Callable[[], None], list[Path]]] = {
            "read, one thread": (lambda: each(files, plain), files),
            "sha256, one thread": (lambda: each(files, sha256), files),
            "ptb lineage": (lineage, files),
            "ptb lineage --pack": (by_pack, [files[0], pack]),
        }
        for cold in (False, True):
            print("dropped from the page cache:" if cold else "in the page cache:")
            reading = 0.0
            for name, (call, used) in ways.items():
                seconds = [timed(call, used if cold else []) for _ in range(args.runs)]
                middle, size = statistics.median(seconds), sum(file.stat().st_size for file in used)
                reading = reading or middle
                print(
                    f"  {name:20} {middle:7.2f} s ({min(seconds):.2f} to {max(seconds):.2f})"
                    f"  {size / middle / 1e9:6.2f} GB/s  {middle / reading:5.2f} x reading"
                )


def make(folder: Path, name: str, size: float) -> None:
    """Write a checkpoint; those not named `base` are the base plus differences of their own."""
    folder.mkdir()
    shapes: dict[str, tuple[int, ...]] = {"model.embed_tokens.weight": (int(VOCABULARY * size / 3), HIDDEN)}
    for layer in range(max(1, round(LAYERS * size / 3))):
        prefix = f"model.layers.{layer}."
        shapes |= {f"{prefix}self_attn.{one}_proj.weight": (HEADS, HIDDEN) for one in "qo"}
        shapes |= {f"{prefix}self_attn.{one}_proj.weight": (HEADS // 4, HIDDEN) for one in "kv"}
        shapes |= {f"{prefix}mlp.{one}_proj.weight": (INNER, HIDDEN) for one in ("gate", "up")}
        shapes |= {f"{prefix}mlp.down_proj.weight": (HIDDEN, INNER), f"{prefix}input_layernorm.weight": (HIDDEN,)}
    header, offset = {}, 0
    for tensor, shape in shapes.items():
        length = 2 * int(np.prod(shape))
        header[tensor] = {"dtype": "BF16", "shape": shape, "data_offsets": [offset, offset + length]}
        offset += length
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    base = np.random.default_rng(0).normal(0, 0.02, POOL).astype(np.float32)
    own = np.random.default_rng(len(name)).normal(0, 1e-3, POOL).astype(np.float32)
    rng = np.random.default_rng(1)  # the same rotations of the pool in all three
    turns = np.random.default_rng(len(name) + 1)
    with (folder / "model.safetensors").open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for shape in shapes.values():
            left = int(np.prod(shape))
            while left:
                part = min(left, POOL)
                values = np.roll(base, int(rng.integers(POOL)))[:part]
                if name != "base":
                    values = values + np.roll(own, int(turns.integers(POOL)))[:part]
                file.write((values.view(np.uint32) >> 16).astype(np.uint16).tobytes())
                left -= part
        file.flush()
        os.fsync(file.fileno())


def plain(path: Path) -> None:
    buffer = bytearray(2**22)
    with path.open("rb", buffering=0) as file:
        while file.readinto(buffer):
            pass


def sha256(path: Path) -> None:
    with path.open("rb") as file:
        hashlib.file_digest(file, "sha256")


def each(files: list[Path], call: Callable[[Path], None]) -> None:
    for file in files:
        call(file)


def timed(call: Callable[[], None], dropped: list[Path]) -> float:
    """Return the seconds that a call takes after files were dropped from the page cache."""
    for file in dropped:
        with file.open("rb") as handle:
            os.posix_fadvise(handle.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
