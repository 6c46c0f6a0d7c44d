"""Decide whether files are contaminated, from the number of matches.

Permitted text sometimes resembles a question of a test set. Files are therefore flagged only if they contain more
distinct test items than are tolerated, and more matches than chance explains, which is a number that grows with the
number of documents. Near-verbatim copies do not occur by chance, so for them only the tolerance applies.

Adding files must not hide the matches of another file. So not only all files together are tested, but also the files
in which matches are most unlikely: the most unlikely one, the two most unlikely ones, and so on. The test of `k` of `n`
files accounts for the number of ways to choose them, so that a large number of files is not flagged by chance.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

TOLERANCE = 3
SHARE = 0.05
"""Share of a test set that is tolerated at most: one of 30 items, and `TOLERANCE` from 60 items on."""

CONFIDENCE = 0.999
BACKGROUND = 2 / 52_526
"""Share of documents of permitted text that match a test item by n-grams or rewording."""

WORDLESS_BACKGROUND = 4 / 7_473
"""Share of other word problems (the train split of GSM8K) with the same numbers and answer as a test item."""

_LARGEST_STEP = 16  # groups grow by one file up to this number of files, then by half


@dataclass(frozen=True)
class Group:
    """Matches in some of the files.

    Attributes:
        files: number of files.
        documents: number of documents in them that can contain an item.
        items: number of distinct items found.
        sightings: number of different passages by which they were found.
    """

    files: int
    documents: int
    items: int
    sightings: int


@dataclass(frozen=True)
class FileMatches:
    """Matches in one file: its number of documents, the distinct items found, and the number of different passages."""

    documents: int
    items: frozenset[int]
    sightings: int


def groups_of(files: Iterable[FileMatches], documents: int, background: float) -> list[Group]:
    """Return the groups of files to test, the last of which are all files.

    Args:
        files: matches in each file with documents that can contain an item.
        documents: number of different documents in all files.
        background: background rate by which files are ordered.
    """
    everything = list(files)
    matched = sorted((file for file in everything if file.items), key=lambda file: _unlikely(file, background))
    groups, items, sizes, sightings = [], set[int](), 0, 0
    following = 1
    for number, file in enumerate(matched, 1):
        items |= file.items
        sizes, sightings = sizes + max(file.documents, 1), sightings + file.sightings
        if number == following or number == len(matched):
            following = number + max(1, number // 2 if number >= _LARGEST_STEP else 1)
            if number < len(everything):
                groups.append(Group(number, sizes, len(items), sightings))
    return [*groups, Group(len(everything), max(documents, 1), len(items), sightings)]


def _unlikely(file: FileMatches, background: float) -> float:
    return log_chance(file.sightings, background * max(file.documents, 1))


def log_chance(count: int, mean: float) -> float:
    """Return an upper bound of the logarithm of the probability that a Poisson variable is at least `count`."""
    if count <= mean or mean <= 0:
        return 0.0 if count <= mean else -math.inf
    term = count * math.log(mean) - mean - math.lgamma(count + 1)
    return min(0.0, term - math.log(1 - mean / (count + 1)))


def poisson_bound(mean: float) -> int:
    """Return the smallest count that a Poisson variable does not exceed with probability `CONFIDENCE`."""
    if mean > 1000:  # the terms below would underflow; a normal distribution is accurate enough
        return math.ceil(mean + 3.0902 * math.sqrt(mean) + 2)
    term = total = math.exp(-mean)
    count = 0
    while total < CONFIDENCE:
        count += 1
        term *= mean / count
        total += term
    return count


def is_explained(group: Group, files: int, background: float) -> bool:
    """Return True if chance explains the number of matches in a group that was chosen among `files` files."""
    mean = background * group.documents
    if group.files >= files:
        return group.sightings <= poisson_bound(mean)
    ways = math.lgamma(files + 1) - math.lgamma(group.files + 1) - math.lgamma(files - group.files + 1)
    share = math.log(6 / (math.pi * group.files) ** 2)  # the shares of all sizes add up to one
    return log_chance(group.sightings, mean) + ways > math.log(1 - CONFIDENCE) + share


def tolerated(tolerance: int, test_items: int) -> int:
    """Return how many items are tolerated of a test set of this size, or of any size if it is 0."""
    return min(tolerance, int(SHARE * test_items)) if test_items else tolerance


def contaminated_group(
    groups: Sequence[Group], verbatim: int, *, tolerance: int = TOLERANCE, background: float = BACKGROUND
) -> Group | None:
    """Return the first group of files with more of a test set than chance and tolerance explain, or None.

    Args:
        groups: groups of files; the last are all files.
        verbatim: number of distinct items in all files with a near-verbatim match.
        tolerance: number of items that are tolerated.
        background: background rate of matches, per document.
    """
    whole = groups[-1]
    for group in groups:
        if group.items > tolerance and not is_explained(group, whole.files, background):
            return group
    return whole if verbatim > tolerance else None
