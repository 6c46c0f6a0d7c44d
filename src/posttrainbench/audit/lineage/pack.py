"""Reference packs: sampled rows and hashes that replace a base model and a forbidden checkpoint.

A pack is a safetensors file. For each tensor that both models have in one shape, it holds `base.NAME` and
`against.NAME` with the rows of `pair.chosen_rows`, in their own type; one-dimensional tensors are whole. Its metadata
are `format`, `version`, `facts` (JSON of `Facts`) and `sha256`, which covers everything after the header and `facts`.
All of it is checked when a pack is opened.

With a pack, whole tensors are compared by hash, and shares and correlations are estimated from the rows. Slopes are the
same as with the checkpoints.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import Field, ValidationError
from typing_extensions import override

from posttrainbench.audit.lineage.checkpoint import Checkpoint, matrix
from posttrainbench.audit.lineage.pair import CheckpointPair, Pair, Sample, chosen_rows
from posttrainbench.audit.lineage.records import LineageRecord
from posttrainbench.audit.lineage.streaming import PIECE, Bits
from posttrainbench.errors import one_line
from posttrainbench.files import fsync_dir
from posttrainbench.submission.tensors import HEADER_LIMIT, PRECISION, read_header, rounded
from posttrainbench.untrusted import UnreadableError, open_regular, parse_json, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

FORMAT, VERSION = "posttrainbench lineage pack", "1"


class TensorHashes(LineageRecord):
    """Shape and hashes of one tensor.

    Attributes:
        shape: shape that both models have in common.
        differing: number of weights that differ between base and forbidden, rounded to the coarser type.
        base: type -> SHA-256 of the base model's bits, for its own type and all coarser ones; empty if it has no such
            tensor.
        forbidden: the same for the forbidden checkpoint.
    """

    shape: list[int]
    differing: int = Field(ge=0)
    base: dict[str, str]
    forbidden: dict[str, str]


class Facts(LineageRecord):
    """Names of the two models, and their tensors by name."""

    base: str
    forbidden: str
    tensors: dict[str, TensorHashes]


class Pack(Pair):
    """A pair read from a reference pack."""

    sampled = True

    def __init__(self, facts: Facts, rows: Checkpoint) -> None:
        self.facts, self._rows = facts, rows
        self.forbidden = facts.forbidden

    @classmethod
    def open(cls, path: Path) -> Pack:
        """Open a pack.

        Raises:
            UnreadableError: the file is not a pack, has another version, is incomplete or was changed.
        """
        header = read_header(path)
        metadata, start = _metadata(path)
        if metadata.get("format") != FORMAT:
            raise UnreadableError("it is not a lineage pack")
        if metadata.get("version") != VERSION:
            raise UnreadableError(f"unsupported lineage pack version {printable(str(metadata.get('version'))[:20])}")
        digest = hashlib.sha256()
        with open_regular(path) as file:
            file.seek(start)
            while data := file.read(2**20):
                digest.update(data)
        digest.update(str(metadata.get("facts")).encode())
        if digest.hexdigest() != metadata.get("sha256"):
            raise UnreadableError("its checksum does not match: it was changed after it was written")
        try:
            facts = Facts.model_validate_json(str(metadata.get("facts")))
        except ValidationError as error:
            raise UnreadableError(f"its metadata field `facts` is invalid: {one_line(error)}") from None
        for name, hashes in facts.tensors.items():
            rows, columns = matrix(hashes.shape)
            for side in ("base", "against") if hashes.base else ():
                tensor = header.get(f"{side}.{name}")
                if tensor is None or tensor.shape != (len(chosen_rows(name, rows)), columns):
                    raise UnreadableError(
                        f"its rows of the tensor {printable(name[:100])} are missing or have the wrong shape"
                    )
                if tensor.dtype not in PRECISION:
                    raise UnreadableError(
                        f"its rows of the tensor {printable(name[:100])} are not of a supported floating-point type"
                    )
        return cls(facts, Checkpoint(path.name, header, {}))

    @override
    def shape(self, name: str) -> tuple[int, ...] | None:
        hashes = self.facts.tensors.get(name)
        return tuple(hashes.shape) if hashes and hashes.base else None

    @override
    def triple(self, candidate: Checkpoint, name: str, count: int) -> tuple[Bits, Bits, Bits]:
        rows, columns = matrix(self.facts.tensors[name].shape)
        chosen = chosen_rows(name, rows)
        present = chosen < count // columns
        own = candidate.bits(name)[: rows * columns].reshape(-1, columns)[chosen[present]]
        sides = []
        for side in ("base", "against"):
            bits = self._rows.bits(f"{side}.{name}").reshape(-1, columns)[present]
            sides.append(Bits(bits.reshape(-1), self._rows.tensors[f"{side}.{name}"].dtype))
        return Bits(own.reshape(-1), candidate.tensors[name].dtype), sides[0], sides[1]

    @override
    def sample(self, name: str, columns: int | None = None) -> Sample:
        chosen = chosen_rows(name, matrix(self.facts.tensors[name].shape)[0])
        base, forbidden = (self._rows.rows(f"{side}.{name}", columns=columns) for side in ("base", "against"))
        return Sample(chosen, base, forbidden, self._rows.tensors[f"base.{name}"].dtype)

    @override
    def equal(self, candidate: Checkpoint, name: str, count: int) -> tuple[bool, bool]:
        hashes = self.facts.tensors[name]
        if matrix(hashes.shape)[0] * matrix(hashes.shape)[1] != count:
            return False, False
        own = Bits(candidate.bits(name)[:count], candidate.tensors[name].dtype)
        return _has_hash(own, hashes.base), _has_hash(own, hashes.forbidden)

    @override
    def differing(self, name: str, count: int) -> int:
        return self.facts.tensors[name].differing

    @override
    def only_forbidden(self, candidate: Checkpoint, name: str) -> bool:
        hashes, tensor = self.facts.tensors.get(name), candidate.tensors[name]
        if hashes is None or hashes.base or tuple(hashes.shape) != tensor.shape:
            return False
        return _has_hash(Bits(candidate.bits(name), tensor.dtype), hashes.forbidden)


def write_pack(base: Checkpoint, forbidden: Checkpoint, out: Path) -> Facts:
    """Write the reference pack of two checkpoints to `out`, atomically, and return its facts."""
    pair = CheckpointPair(base, forbidden)
    names = sorted(name for name in base.tensors.keys() | forbidden.tensors.keys() if pair.shape(name))
    tensors = {}
    for name in names:
        shape = pair.shape(name) or ()
        rows, columns = matrix(shape)
        _, first, second = pair.triple(base, name, rows * columns)
        tensors[name] = TensorHashes(
            shape=list(shape), differing=pair.differing(name, rows * columns), base=_hashes_by_type(first),
            forbidden=_hashes_by_type(second),
        )  # fmt: skip
    for name in sorted(forbidden.tensors.keys() - tensors.keys()):
        tensor = forbidden.tensors[name]
        whole = Bits(forbidden.bits(name), tensor.dtype)
        tensors[name] = TensorHashes(shape=list(tensor.shape), differing=0, base={}, forbidden=_hashes_by_type(whole))
    facts = Facts(base=base.name, forbidden=forbidden.name, tensors=tensors)

    header: dict[str, Any] = {}
    digest, offset = hashlib.sha256(), 0
    for key, dtype, part in _chosen_bits(base, forbidden, names, pair):
        digest.update(part.tobytes())
        header[key] = {"dtype": dtype, "shape": list(part.shape), "data_offsets": [offset, offset + part.nbytes]}
        offset += part.nbytes
    text = facts.model_dump_json()
    digest.update(text.encode())
    header["__metadata__"] = {"format": FORMAT, "version": VERSION, "sha256": digest.hexdigest(), "facts": text}
    _write_safetensors(out, header, (part for _, _, part in _chosen_bits(base, forbidden, names, pair)))
    return facts


def _chosen_bits(
    base: Checkpoint, forbidden: Checkpoint, names: list[str], pair: CheckpointPair
) -> Iterator[tuple[str, str, NDArray[Any]]]:
    for name in names:
        rows, columns = matrix(pair.shape(name) or ())
        chosen = chosen_rows(name, rows)
        for side, checkpoint in (("base", base), ("against", forbidden)):
            own_name = checkpoint.counterpart(name) or name
            bits = checkpoint.bits(own_name)[: rows * columns].reshape(-1, columns)[chosen]
            yield f"{side}.{name}", checkpoint.tensors[own_name].dtype, bits


def _write_safetensors(out: Path, header: dict[str, Any], parts: Iterator[NDArray[Any]]) -> None:
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            file.write(len(text).to_bytes(8, "little") + text)
            for part in parts:
                file.write(part.tobytes())
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(out)
    finally:
        temporary.unlink(missing_ok=True)
    fsync_dir(out.parent)


def _hashes_by_type(tensor: Bits) -> dict[str, str]:
    finest = PRECISION[tensor.dtype]
    return {dtype: sha256(tensor, dtype) for dtype, precision in PRECISION.items() if precision <= finest}


def sha256(tensor: Bits, dtype: str) -> str:
    """Return the SHA-256 of a tensor's bits, rounded to a type."""
    digest = hashlib.sha256()
    for start in range(0, tensor.bits.size, PIECE):
        piece = rounded(tensor.bits[start : start + PIECE], tensor.dtype, dtype)
        digest.update(np.ascontiguousarray(piece).data)
    return digest.hexdigest()


def _has_hash(tensor: Bits, hashes: dict[str, str]) -> bool:
    """Return True if a tensor has the hash recorded for the coarser of the two types."""
    finest = max((dtype for dtype in hashes if dtype in PRECISION), key=PRECISION.__getitem__, default=None)
    if finest is None:
        return False
    common = min(finest, tensor.dtype, key=PRECISION.__getitem__)
    return sha256(tensor, common) == hashes.get(common)


def _metadata(path: Path) -> tuple[dict[str, Any], int]:
    """Return a safetensors file's metadata and the offset of its data; the header must have been checked before."""
    with open_regular(path) as file:
        length = int.from_bytes(file.read(8), "little")
        header = parse_json(file.read(min(length, HEADER_LIMIT)))
    metadata: dict[str, Any] = header.get("__metadata__") or {}
    return metadata, 8 + length
