"""Compare two agents on the runs that they have in common.

The comparison covers the base models x benchmarks for which both agents have a counted run, weighted as the score; the
others are left out and listed with the reason. As on the leaderboard, three questions are kept apart:

* `ci`, `p_value`: would the difference persist if both agents ran again? Runs are permuted within each base model x
  benchmark (`scoring.permutation`).
* `ci_cells`, `p_cells`: would it persist on other base models and benchmarks like these? Whole base models x benchmarks
  are exchanged. With one seed each this is the same test.
* `ci_items`: would it persist on other test items? A bootstrap over items with the same draw for both agents
  (`scoring.bootstrap`).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from posttrainbench.errors import InputError
from posttrainbench.records import Record
from posttrainbench.scoring.aggregate import TIE, Groups, Interval, Key, group, group_means, raw, seed_means, shares
from posttrainbench.scoring.cells import BaselineScores, Cell, engine_notes
from posttrainbench.scoring.leaderboard import missing
from posttrainbench.scoring.selection import require_same_conditions, unique, with_gap
from posttrainbench.scoring.weights import weights as benchmark_weights

ALPHA = 0.05
"""An agent counts as ahead if p is at most this."""


class Pair(Record):
    """A base model x benchmark with counted runs of both agents. Scores are adjusted, means over seeds.

    Attributes:
        weight: its share of the compared score; the shares sum to 1.
        seeds_a: number of seeds behind `score_a`.
        resets_a: runs of A that were reset to the base score.
    """

    model: str
    benchmark: str
    weight: float
    score_a: float
    score_b: float
    seeds_a: int
    seeds_b: int
    resets_a: int
    resets_b: int


class LeftOut(Record):
    """A base model x benchmark without a counted run of `agent`, and the reason."""

    model: str
    benchmark: str
    agent: str
    why: str


class Comparison(Record):
    """A comparison of two agents; its JSON form is a public contract. Scores and differences (A minus B) are fractions.

    Attributes:
        score_a: weighted, adjusted score over the pairs; equal to the overall score if nothing is left out.
        difference_raw: the difference before resets.
        ci: 95% interval of the difference over runs; None with too few runs.
        p_value: two-sided p of the permutation test over runs.
        p_smallest: the smallest `p_value` possible with this many runs.
        exact: true if every arrangement of the runs was evaluated, false if 100,000 were drawn.
        ci_items: 95% interval over items; None if a run has fewer than two item scores.
        ci_cells: 95% interval over base models x benchmarks; None with too few of them.
        p_cells: two-sided p of the sign-flip test over them.
        wins: pairs in which A has the higher score; `losses` and `ties` likewise.
        sentence: the result in plain words.
    """

    suite: str
    agent_a: str
    agent_b: str
    score_a: float
    score_b: float
    difference: float
    difference_raw: float
    ci: Interval | None
    p_value: float
    p_smallest: float
    exact: bool
    ci_items: Interval | None
    ci_cells: Interval | None
    p_cells: float
    wins: int
    losses: int
    ties: int
    weights: dict[str, float]
    pairs: list[Pair]
    left_out: list[LeftOut]
    sentence: str


def compare(cells: Sequence[Cell], baselines: Mapping[Key, BaselineScores], agent_a: str, agent_b: str) -> Comparison:
    """Compare two agents of an experiment.

    Args:
        cells: all runs of the experiment, including unfinished ones and those of other agents: they determine the base
            models over which the weights are averaged.
        baselines: (base model, benchmark) -> baselines, usually `baselines_of(cells)`.
        agent_a: agent name as on the leaderboard.
        agent_b: name of another agent.

    Raises:
        InputError: an agent is not in the experiment, the two are the same, they have no base model and benchmark in
            common, their runs were made under different conditions, or no benchmark has a base-to-instruct gap.
    """
    # Importing numpy takes as long as importing everything else here.
    from posttrainbench.scoring.bootstrap import draw, interval
    from posttrainbench.scoring.permutation import Block, permutation_test

    cells, _ = unique(cells)
    _check_names(cells, agent_a, agent_b)
    require_same_conditions([cell for cell in cells if cell.agent in (agent_a, agent_b)])
    suite = next(cell.spec.suite for cell in cells if cell.agent == agent_a)
    cells, without = with_gap([cell for cell in cells if cell.spec.suite == suite], baselines)
    own = [[cell for cell in cells if cell.agent == agent] for agent in (agent_a, agent_b)]
    keys = sorted({(cell.model, cell.benchmark) for cell in cells}, key=lambda key: (key[1], key[0]))
    groups = [group(side, keys) for side in own]
    common = [key for key in keys if all(side[key] for side in groups)]
    if not common:
        raise InputError(
            f"{agent_a} and {agent_b} cannot be compared because there is no base model and benchmark for which both "
            "have a counted run; `ptb leaderboard` lists what is missing."
        )
    a, b = ({key: side[key] for key in common} for side in groups)
    weights = _weights(common, {key: baselines[key] for key in keys if key in baselines})
    share = shares(common, weights)
    pairs = [_pair(key, share[key], a, b) for key in common]
    differences = [pair.score_a - pair.score_b for pair in pairs]
    runs = permutation_test(
        [Block(share[key], *(list(seed_means(side[key]).values()) for side in (a, b))) for key in common]
    )
    whole = permutation_test([Block(pair.weight, [pair.score_a], [pair.score_b]) for pair in pairs])
    items = [drawn.items for drawn in draw({agent_a: a, agent_b: b}, weights).values()]
    raw_a, raw_b = (group_means(side, raw) for side in (a, b))
    result = Comparison(
        suite=suite,
        agent_a=agent_a,
        agent_b=agent_b,
        score_a=sum(pair.weight * pair.score_a for pair in pairs),
        score_b=sum(pair.weight * pair.score_b for pair in pairs),
        difference=sum(pair.weight * gap for pair, gap in zip(pairs, differences, strict=True)),
        difference_raw=sum(share[key] * (raw_a[key] - raw_b[key]) for key in common),
        ci=runs.ci,
        p_value=runs.p_value,
        p_smallest=runs.smallest,
        exact=runs.exact,
        ci_items=None if items[0] is None or items[1] is None else interval(items[0] - items[1], low=-1.0),
        ci_cells=whole.ci,
        p_cells=whole.p_value,
        wins=sum(gap > TIE for gap in differences),
        losses=sum(gap < -TIE for gap in differences),
        ties=sum(abs(gap) <= TIE for gap in differences),
        weights=weights,
        pairs=pairs,
        left_out=[
            LeftOut(model=gap.model, benchmark=gap.benchmark, agent=agent, why=gap.why)
            for key in keys
            for agent, side, runs_of in zip((agent_a, agent_b), groups, own, strict=True)
            if not side[key]
            for gap in [missing(key, runs_of)]
        ],
        sentence="",
    )
    compared = [cell for side in own for cell in side if (cell.model, cell.benchmark) in common]
    sentence = " ".join([_sentence(result), *without, *engine_notes(compared)])
    return result.model_copy(update={"sentence": sentence})


def format_interval(interval: Interval, sign: int = 1) -> str:
    """Format an interval of a difference in points; `sign` -1 gives the interval of the opposite difference."""
    low, high = sorted(100 * sign * end for end in interval)
    return f"{low:+.1f} to {high:+.1f}"


def format_p(p_value: float) -> str:
    """Format a p-value with three decimals; values below 0.001 as `< 0.001`."""
    return "< 0.001" if p_value < 0.001 else f"{p_value:.3f}"


def _check_names(cells: Iterable[Cell], agent_a: str, agent_b: str) -> None:
    agents = sorted({cell.agent for cell in cells})
    for agent in (agent_a, agent_b):
        if agent not in agents:
            near = difflib.get_close_matches(agent, agents, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"choose two of: {', '.join(agents)}."
            raise InputError(f"The experiment has no run of agent `{agent}`; {hint}")
    if agent_a == agent_b:
        raise InputError(f"`{agent_a}` cannot be compared with itself; name two agents.")


def _weights(common: Iterable[Key], baselines: Mapping[Key, BaselineScores]) -> dict[str, float]:
    """Return the leaderboard's weights, from all base models of the experiment, for the benchmarks in common."""
    by_benchmark = {b: [pair for key, pair in baselines.items() if key[1] == b] for b in sorted({b for _, b in common})}
    return benchmark_weights(
        {benchmark: fmean(pair.base for pair in pairs) for benchmark, pairs in by_benchmark.items()},
        {benchmark: fmean(pair.instruct for pair in pairs) for benchmark, pairs in by_benchmark.items()},
    )


def _pair(key: Key, weight: float, a: Groups, b: Groups) -> Pair:
    seeds = a[key], b[key]
    scores = [fmean(seed_means(side).values()) for side in seeds]
    resets = [sum(cell.reset for repeats in side.values() for cell in repeats) for side in seeds]
    return Pair(
        model=key[0],
        benchmark=key[1],
        weight=weight,
        score_a=scores[0],
        score_b=scores[1],
        seeds_a=len(seeds[0]),
        seeds_b=len(seeds[1]),
        resets_a=resets[0],
        resets_b=resets[1],
    )


def _sentence(result: Comparison) -> str:
    """Describe a comparison in plain words; differences in points (percent of the score)."""
    sign = -1 if result.difference < -TIE else 1
    ahead, behind = (result.agent_a, result.agent_b)[::sign]
    points = f"{100 * abs(result.difference):.1f} points"
    p = _p_equals(result.p_value)
    statistics = f"95% interval {format_interval(result.ci, sign)}, {p}" if result.ci else p
    if abs(result.difference) <= TIE:
        text = f"{result.agent_a} and {result.agent_b} have the same score ({statistics})"
    elif result.p_value <= ALPHA:
        text = f"{ahead} is ahead of {behind} by {points} ({statistics})"
    elif result.p_smallest > ALPHA:
        text = (
            f"{ahead} scores {points} higher than {behind}, but there are too few runs to distinguish that from "
            f"chance: {p}, and the smallest p-value possible with this many runs is {result.p_smallest:.3g}"
        )
    else:
        text = f"{ahead} scores {points} higher than {behind}, which may be chance ({statistics})"
    higher, lower = (result.wins, result.losses)[::sign]
    count = len(result.pairs)
    if abs(result.difference) > TIE:
        cells = "cell" if count == 1 else "cells"
        text += f"; it is higher in {higher} of {count} {cells} (base model x benchmark) and lower in {lower}"
    if result.p_value <= ALPHA < result.p_cells:
        text += (
            "; the result may not generalize to other base models and benchmarks "
            f"({_p_equals(result.p_cells)} over cells)"
        )
    return ". ".join([text, *_caveats(result)]) + "."


def _caveats(result: Comparison) -> list[str]:
    """Return sentences on resets and missing cells, without their periods."""
    sentences = []
    resets = [sum(pair.resets_a for pair in result.pairs), sum(pair.resets_b for pair in result.pairs)]
    if any(resets):
        sign = -1 if result.difference < -TIE else 1
        sentences.append(
            f"Runs reset to the base score: {resets[0]} of {result.agent_a} and {resets[1]} of {result.agent_b}; "
            f"without resets the lead would be {100 * sign * result.difference_raw:+.1f} points"
        )
    if gaps := len({(gap.model, gap.benchmark) for gap in result.left_out}):
        total = gaps + len(result.pairs)
        sentences.append(f"Left out: {gaps} of {total} cells, for lack of a counted run of both agents")
    return sentences


def _p_equals(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {format_p(p_value)}"
