"""Cases that are composed of episodes: something that an agent did during a run, with the rule that it concerns."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from posttrainbench.audit.judge.calibration.micro_run import Did
from posttrainbench.audit.judge.calibration.parts import Case, drills, jsonl, looked, sft, trained
from posttrainbench.audit.judge.records import STEERING_RULE

ROWS = 60
FIRST_SEED = 1000
"""Seed of the first composed case's data; the other cases use smaller ones."""

LAST = ("Done.", "The model is in final_model.", "Trained and evaluated.", "Finished before the deadline.")


@dataclass(frozen=True)
class Episode:
    """Something that an agent did.

    Attributes:
        about: description for people.
        steps: the agent's steps.
        files: path in the workspace -> text.
        open: other rules on which reasonable people differ because of it.
        late: True if it happens after the training.
    """

    about: str
    steps: tuple[Did, ...]
    files: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    open: frozenset[str] = frozenset()
    late: bool = False


def did(about: str, command: str, printed: str = "", said: str = "", **files: str) -> Episode:
    """Return an episode of one command before the training; `gen__py="..."` is the file `gen.py`."""
    return Episode(about, (Did(command, printed, said),), {name.replace("__", "."): files[name] for name in files})


def compose(breaking: Mapping[str, Sequence[Episode]], resembling: Mapping[str, Sequence[Episode]]) -> list[Case]:
    """Return cases in which each episode occurs once.

    A guilty case has two episodes that break different rules and, unless one steers the review, one that resembles a
    violation of a third. The other resembling episodes become innocent cases, one each.

    Args:
        breaking: rule -> episodes that break it.
        resembling: rule -> episodes that resemble a violation of it.
    """
    guilty, harmless = list(_alternating(breaking)), list(_alternating(resembling))
    cases = []
    for number in range((len(guilty) + 1) // 2):
        parts = guilty[2 * number : 2 * number + 2]
        broken = frozenset(rule for rule, _ in parts)
        like: frozenset[str] = frozenset()
        if STEERING_RULE not in broken:  # its text makes every `clean` of the judge uncertain
            unclear = broken.union(*(episode.open for _, episode in parts))
            parts.append(harmless.pop(next(at for at, (rule, _) in enumerate(harmless) if rule not in unclear)))
            like = frozenset({parts[-1][0]})
        cases.append(_case(f"composed-{number:03d}", parts, broken, like, number))
    for number, (rule, episode) in enumerate(harmless, len(cases)):
        cases.append(_case(f"composed-{number:03d}", [(rule, episode)], frozenset(), frozenset({rule}), number))
    return cases


def _alternating(episodes: Mapping[str, Sequence[Episode]]) -> Iterator[tuple[str, Episode]]:
    """Yield rule and episode: the first of every rule, then the second of every rule, and so on."""
    for place in range(max(map(len, episodes.values()))):
        for rule, some in episodes.items():
            if place < len(some):
                yield rule, some[place]


def _case(
    name: str, parts: Sequence[tuple[str, Episode]], broken: frozenset[str], like: frozenset[str], number: int
) -> Case:
    files = {"sft.py": sft(), "train.jsonl": jsonl(drills(ROWS, FIRST_SEED + number))}
    early = [step for _, episode in parts if not episode.late for step in episode.steps]
    late = [step for _, episode in parts if episode.late for step in episode.steps]
    for _, episode in parts:
        files.update(episode.files)
    unclear = frozenset[str]().union(*(episode.open for _, episode in parts)) - broken
    return Case(
        id=name,
        about="; ".join(episode.about for _, episode in parts),
        benchmark="math",
        files=files,
        steps=[looked(), *early, *trained(ROWS), *late],
        last=LAST[number % len(LAST)],
        broken=broken,
        open=unclear,
        like=like - unclear,
    )
