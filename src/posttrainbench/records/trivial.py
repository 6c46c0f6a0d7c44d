"""Scores of trivial answers: answers that know nothing about the question."""

from enum import StrEnum
from typing import Annotated

from pydantic import Field

from posttrainbench.records.base import Record

Fraction = Annotated[float, Field(ge=0, le=1)]


class TrivialAnswer(StrEnum):
    """Ways to answer every item without knowledge."""

    EMPTY = "empty"  # no text
    MOST_FREQUENT = "most_frequent"  # the reference answer that is correct for most items
    SAME_LETTER = "same_letter"  # always the same letter, the best one
    ECHO = "echo"  # the prompt
    REFUSAL = "refusal"  # a polite refusal
    FIXED_CALL = "fixed_call"  # a call without arguments of the function that most items expect


class TrivialScores(Record):
    """The scores of trivial answers on a benchmark.

    Attributes:
        items: number of items.
        seeds: evaluation seeds whose order of choices was used.
        scores: trivial answer -> the benchmark's score.
    """

    benchmark: str
    items: int
    seeds: list[int]
    scores: dict[TrivialAnswer, Fraction]
