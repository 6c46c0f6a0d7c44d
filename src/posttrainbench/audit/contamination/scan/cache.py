"""Cache of results by file content, so that a repeated or resumed scan searches no file twice."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np

from posttrainbench.audit.contamination.scan.documents import Documents
from posttrainbench.audit.contamination.scan.files import FileResult, Hit, Location
from posttrainbench.audit.contamination.scan.paraphrase_index import NUMBERS
from posttrainbench.files import write_json
from posttrainbench.untrusted import sha256_regular

_SUFFIX = ".json"


class Cache:
    """Cached results of one index and one whitelist.

    Args:
        directory: the cache directory, created if missing. It is trusted, so no agent may have write access.
        fingerprint: hash of everything that results depend on, except the file.
    """

    def __init__(self, directory: Path, fingerprint: str) -> None:
        self._directory = directory / fingerprint[:32]
        self._directory.mkdir(parents=True, exist_ok=True)

    def key(self, path: Path) -> str:
        """Return the SHA-256 of a file, or "" if it cannot be read."""
        return sha256_regular(path)

    def get(self, key: str, name: str) -> FileResult | None:
        """Return the cached result of a file with this content, changed to the given name; None if there is none."""
        try:
            stored = json.loads((self._directory / f"{key}{_SUFFIX}").read_text())
            hits = [Hit(**hit) for hit in stored["hits"]]
            units = stored["units"]
            rename = len(stored["name"])
            return FileResult(
                documents=stored["documents"],
                counted=Documents(stored["counted"], np.array(stored["smallest"], dtype=np.uint64)),
                size=stored["size"],
                lines=stored["lines"],
                flagged=_with_name(stored["flagged"], rename, name),
                verbatim=_with_name(stored["verbatim"], rename, name),
                wordless=_with_name(stored["wordless"], rename, name),
                passages={(item, key) for item, key in stored["passages"]},
                wordless_passages={(item, key) for item, key in stored["wordless_passages"]},
                hits={
                    (unit, hit.label, hit.method == NUMBERS): Hit(**{**asdict(hit), "file": name + hit.file[rename:]})
                    for unit, hit in zip(units, hits, strict=True)
                },
                reason=stored["reason"],
            )
        except (OSError, ValueError, KeyError, TypeError):
            return None  # missing, or written by an older version

    def put(self, key: str, name: str, result: FileResult) -> None:
        """Store a result, unless the file was not read completely, for which the reason may be temporary."""
        if not key or result.reason:
            return
        write_json(
            self._directory / f"{key}{_SUFFIX}",
            {
                "name": name,
                "documents": result.documents,
                "counted": result.counted.total,
                "smallest": result.counted.smallest.tolist(),
                "size": result.size,
                "lines": result.lines,
                "flagged": sorted(result.flagged),
                "verbatim": sorted(result.verbatim),
                "wordless": sorted(result.wordless),
                "passages": sorted(result.passages),
                "wordless_passages": sorted(result.wordless_passages),
                "units": [unit for unit, _, _ in result.hits],
                "hits": [asdict(hit) for hit in result.hits.values()],
                "reason": result.reason,
            },
        )


def _with_name(locations: list[tuple[str, int, int]], length: int, name: str) -> set[Location]:
    return {(name + file[length:], document, item) for file, document, item in locations}
