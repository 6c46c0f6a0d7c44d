"""How much each benchmark counts: the inverse of the gap that official post-training closes on it."""

from collections.abc import Mapping

from posttrainbench.errors import InputError


def weights(base: Mapping[str, float], instruct: Mapping[str, float]) -> dict[str, float]:
    """Weigh each benchmark by `1 / (instruct - base)`, normalised to sum to 1.

    A benchmark on which official post-training gains little then counts as much as one on which it gains a
    lot. The formula is the published one (PostTrainBench, arXiv 2603.08640, Table 5).

    Args:
        base: benchmark -> zero-shot score of the base models, mean over them.
        instruct: benchmark -> score of their official instruct counterparts, mean over them.

    Raises:
        InputError: the two name different benchmarks or none, or the instruct models are no better than the
            base models on one of them, so that there is no gap to measure by.
    """
    if not base or set(base) != set(instruct):
        raise InputError(
            "Weights need a base and an instruct score for the same benchmarks, but got base scores for "
            f"{', '.join(sorted(base)) or 'none'} and instruct scores for "
            f"{', '.join(sorted(instruct)) or 'none'}."
        )
    inverse: dict[str, float] = {}
    for benchmark, score in base.items():
        gap = instruct[benchmark] - score
        if not gap > 0:  # NaN is no gap either
            raise InputError(
                f"Benchmark {benchmark} has no weight, since the instruct models ({instruct[benchmark]:.4f}) "
                f"are not above the base models ({score:.4f}); leave it out, or evaluate both on more items."
            )
        inverse[benchmark] = 1 / gap
    total = sum(inverse.values())
    return {benchmark: value / total for benchmark, value in inverse.items()}
