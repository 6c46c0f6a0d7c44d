"""Search files for test items, on all cores."""

import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from posttrainbench.audit.contamination.scan import report
from posttrainbench.audit.contamination.scan.cache import Cache
from posttrainbench.audit.contamination.scan.documents import joined
from posttrainbench.audit.contamination.scan.files import FileResult, FileScan, Hit, Label, overlap_of, segments
from posttrainbench.audit.contamination.scan.index import Index, build_index
from posttrainbench.audit.contamination.scan.item_parts import ANSWER
from posttrainbench.audit.contamination.scan.paraphrase_index import NUMBERS
from posttrainbench.audit.contamination.scan.report import NotRead, ScanReport, Verdict
from posttrainbench.audit.contamination.scan.search import Searcher
from posttrainbench.audit.contamination.scan.unreadable import LEAST, UNREADABLE
from posttrainbench.audit.contamination.scan.verdict import (
    BACKGROUND,
    TOLERANCE,
    WORDLESS_BACKGROUND,
    FileMatches,
    Group,
    contaminated_group,
    groups_of,
    poisson_bound,
    tolerated,
)
from posttrainbench.audit.contamination.scan.vocabulary import Vocabulary, load_vocabulary
from posttrainbench.audit.contamination.scan.whitelist import Whitelist, allowed_keys, entries
from posttrainbench.benchmarks import Item
from posttrainbench.untrusted import Entry

Progress = Callable[[int, int], None]
"""Callback that receives the number of bytes searched and of documents flagged so far."""

_TASKS_PER_THREAD = 4  # tasks submitted in advance


@dataclass
class Totals:
    """Results of all files.

    Attributes:
        parts: result of each file by its position in the input.
        skipped: files that were not searched, or not completely.
    """

    parts: dict[int, FileResult] = field(default_factory=dict)
    skipped: list[NotRead] = field(default_factory=list)


@dataclass(frozen=True)
class Task:
    """A file to search, or, if `end` is given, the segment `start:end` of a plain file."""

    entry: Entry
    start: int = 0
    end: int | None = None
    by_line: bool = False


def scan(
    paths: Iterable[Path],
    items: Sequence[Item],
    *,
    whitelist: Whitelist | None = None,
    tokenizer: Path | None = None,
    cache: Path | None = None,
    workers: int | None = None,
    progress: Progress | None = None,
) -> ScanReport:
    """Search files and directories for test items.

    Args:
        paths: files, and directories that are searched recursively. Links that lead out of a directory are followed to
            files; links to directories elsewhere are reported as unread.
        items: the test items.
        whitelist: data that may be trained on.
        tokenizer: directory of a tokenizer with whose vocabulary token ids are decoded.
        cache: directory for results by the files' SHA-256; whoever made the files must not have write access.
        workers: number of threads; one for each core if None.
        progress: see `Progress`.

    Raises:
        InputError: a path does not exist, or the tokenizer cannot be read.
    """
    started = time.perf_counter()
    files = [entry for path in paths for entry in entries(path)]  # first, so that later changes are noticed
    permitted = whitelist or Whitelist()
    index = build_index(items, permitted.texts, permitted.rows)
    allowed = allowed_keys(permitted.files, index)
    vocabulary = load_vocabulary(tokenizer) if tokenizer else None
    results = Cache(cache, _fingerprint(index, allowed, vocabulary)) if cache else None
    totals = Search(index, allowed, vocabulary, results)(files, workers=workers, progress=progress)
    return _make_report(totals, index, time.perf_counter() - started)


@dataclass(frozen=True)
class Search:
    """Searches files on all cores.

    Attributes:
        index: index of the test items.
        allowed: see `Searcher`.
        vocabulary: see `Searcher`.
        cache: cache of results; it must not be used with labels.
        label: see `Label`.
    """

    index: Index
    allowed: frozenset[bytes] = frozenset()
    vocabulary: Vocabulary | None = None
    cache: Cache | None = None
    label: Label = field(default=lambda occurrence: "")
    _local: threading.local = field(default_factory=threading.local)

    def __call__(
        self, files: Iterable[Entry], *, workers: int | None = None, progress: Progress | None = None
    ) -> Totals:
        """Search files with `workers` threads, by default one for each core."""
        totals = Totals()
        pieces: dict[int, dict[int, FileResult]] = {}
        waiting: dict[Future[FileResult], tuple[int, Task]] = {}
        to_keep: dict[int, tuple[Cache, str, str]] = {}
        done = flagged = 0

        def collect(finished: Iterable[Future[FileResult]]) -> None:
            nonlocal done, flagged
            for future in finished:
                number, task = waiting.pop(future)
                result = future.result()
                not_read = NotRead(path=task.entry.relative, reason=result.reason, lost=result.lost)
                if result.reason and (task.end is None or not_read not in totals.skipped):  # once for all segments
                    totals.skipped.append(not_read)
                pieces.setdefault(number, {})[task.start] = result
                done, flagged = done + result.size, flagged + len({location[:2] for location in result.flagged})
                if progress:
                    progress(done, flagged)

        threads = workers or len(os.sched_getaffinity(0))
        with ThreadPoolExecutor(threads) as pool:
            try:
                for number, entry in enumerate(files):
                    if entry.reason:
                        totals.skipped.append(NotRead(path=entry.relative, reason=entry.reason, lost=entry.lost))
                        continue
                    cut = segments(entry, overlap_of(self.index))
                    if cut and self.cache:
                        key = self.cache.key(entry.path)
                        if known := self.cache.get(key, entry.relative):
                            pieces[number] = {0: known}
                            continue
                        to_keep[number] = self.cache, key, entry.relative
                    for task in _tasks(entry, cut):
                        waiting[pool.submit(self._run, task)] = number, task
                        if len(waiting) >= _TASKS_PER_THREAD * threads:
                            collect(wait(waiting, return_when=FIRST_COMPLETED).done)
                while waiting:
                    collect(wait(waiting, return_when=FIRST_COMPLETED).done)
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
        for number in sorted(pieces):
            totals.parts[number] = _joined([pieces[number][start] for start in sorted(pieces[number])])
            if number in to_keep:
                cache, key, name = to_keep[number]
                cache.put(key, name, totals.parts[number])
        return totals

    def _run(self, task: Task) -> FileResult:
        if not hasattr(self._local, "searcher"):
            self._local.searcher = Searcher(self.index, self.allowed, self.vocabulary)
        scan_of = FileScan(self.index, self._local.searcher, self.label, name_ids=True)
        if task.end is not None:
            return scan_of.segment(task.entry, task.start, task.end, task.by_line)
        if self.cache is None:
            return scan_of.whole(task.entry)
        key, name = self.cache.key(task.entry.path), task.entry.relative
        known = self.cache.get(key, name)
        if known is None:
            known = scan_of.whole(task.entry)
            self.cache.put(key, name, known)
        return known


def _tasks(entry: Entry, cut: tuple[list[tuple[int, int]], bool] | None) -> list[Task]:
    if cut is None:
        return [Task(entry)]
    return [Task(entry, start, end, cut[1]) for start, end in cut[0]]


def _fingerprint(index: Index, allowed: frozenset[bytes], vocabulary: Vocabulary | None) -> str:
    digest = sha256(index.fingerprint.encode() + b"".join(sorted(allowed)))
    if vocabulary:
        digest.update(vocabulary.data.tobytes())
    return digest.hexdigest()


def _joined(parts: list[FileResult]) -> FileResult:
    """Join the results of a file's segments; line numbers of each continue those of the segment before."""
    if len(parts) == 1:
        return parts[0]
    whole = FileResult()
    for part in parts:
        by_line = part.documents <= part.lines + 1
        shift = whole.lines if by_line else 0
        whole.flagged |= {(file, document + shift, item) for file, document, item in part.flagged}
        whole.verbatim |= {(file, document + shift, item) for file, document, item in part.verbatim}
        whole.wordless |= {(file, document + shift, item) for file, document, item in part.wordless}
        whole.passages |= part.passages
        whole.wordless_passages |= part.wordless_passages
        for key, hit in part.hits.items():
            if key not in whole.hits or whole.hits[key].score < hit.score:
                whole.hits[key] = replace(hit, document=hit.document + shift, line=hit.line + whole.lines)
        whole.reason = whole.reason or part.reason
        whole.documents += part.documents
        whole.size += part.size
        whole.lines += part.lines
        whole.unreadable += part.unreadable
    if whole.unreadable >= LEAST:
        whole.reason = whole.reason or UNREADABLE
    whole.counted = joined([part.counted for part in parts])
    return whole


def _make_report(totals: Totals, index: Index, seconds: float) -> ScanReport:
    """Return the report of a search, with its verdict."""
    results = list(totals.parts.values())
    hits = [hit for result in results for hit in result.hits.values()]
    documents = sum(result.documents for result in results)
    items = {hit.item for hit in hits if _counts(hit)}
    verbatim = {item for result in results for _, _, item in result.verbatim}
    tolerance = tolerated(TOLERANCE, index.test_items)
    counted = joined([result.counted for result in results]).different
    words = groups_of(searched_files(results), counted, BACKGROUND)
    numbers = groups_of(searched_files(results, by_numbers=True), counted, WORDLESS_BACKGROUND)
    group = contaminated_group(words, len(verbatim), tolerance=tolerance)
    verdict: Verdict = "clean"
    if group or contaminated_group(numbers, 0, tolerance=tolerance, background=WORDLESS_BACKGROUND):
        verdict = "flagged"
    elif (
        documents == 0
        or any(skip.lost for skip in totals.skipped)
        or len(index.unsearchable) == index.test_items
        or any(not item.question.strip() for item in index.items)
    ):
        verdict = "not_checked"
    return ScanReport(
        verdict=verdict,
        documents=documents,
        bytes=sum(result.size for result in results),
        seconds=round(seconds, 3),
        flagged_documents=sum(len({location[:2] for location in result.flagged}) for result in results),
        counted_documents=counted,
        test_items=index.test_items,
        test_items_hit=len(items),
        test_items_verbatim=len(verbatim),
        basis=_basis(group, len(verbatim), tolerance) if verdict == "flagged" else "",
        chance=max(tolerance, poisson_bound(BACKGROUND * counted)),
        unsearchable=index.unsearchable,
        hits=[_report_hit(hit, index) for hit in sorted(hits, key=lambda hit: (not _counts(hit), -hit.score))],
        skipped=totals.skipped,
    )


def searched_files(results: Iterable[FileResult], *, by_numbers: bool = False) -> list[FileMatches]:
    """Return the matches in each file that has any, or has documents that can contain an item."""
    files = [result.matches(by_numbers=by_numbers) for result in results]
    return [file for file in files if file.documents or file.items]


def _basis(group: Group | None, verbatim: int, tolerance: int) -> str:
    """Return what the verdict `flagged` rests on."""
    if group is None:
        return "only numbers and answers, which many documents share with test items"
    if verbatim > tolerance:
        return f"{verbatim} test items in near-verbatim copies"
    return (
        f"{group.sightings} partial or reworded matches in {group.documents:,} documents of {group.files:,} file(s), "
        f"{verbatim} of them near-verbatim; each alone is weak evidence"
    )


def _counts(hit: Hit) -> bool:
    return hit.unit != ANSWER and hit.method != NUMBERS


def _report_hit(hit: Hit, index: Index) -> report.Hit:
    return report.Hit(
        file=hit.file,
        document=hit.document,
        line=hit.line,
        item=index.items[hit.item].id,
        unit=hit.unit,
        method=hit.method,
        score=hit.score,
        text=hit.text,
        item_text=hit.item_text,
    )
