"""Weights of the benchmarks: the inverse of the base-to-instruct gap."""

from collections.abc import Mapping

from posttrainbench.errors import InputError


def weights(base: Mapping[str, float], instruct: Mapping[str, float]) -> dict[str, float]:
    """Weight each benchmark by `1 / (instruct - base)`, normalized to sum to 1.

    Benchmarks with a smaller base-to-instruct gap get a larger weight, so that an agent's gain counts relative to what
    official post-training gains. The formula is the published one (PostTrainBench, arXiv 2603.08640, Table 5).

    Args:
        base: benchmark -> zero-shot score of the base models, mean over them.
        instruct: benchmark -> score of their official instruct counterparts, mean over them.

    Raises:
        InputError: the two mappings are empty or name different benchmarks, or the instruct models score no higher
            than the base models on a benchmark.
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
        if not gap > 0:  # true for NaN as well
            raise InputError(
                f"Benchmark {benchmark} has no weight because the instruct models ({instruct[benchmark]:.4f}) "
                f"do not score higher than the base models ({score:.4f}); leave it out, or evaluate both on more items."
            )
        inverse[benchmark] = 1 / gap
    total = sum(inverse.values())
    return {benchmark: value / total for benchmark, value in inverse.items()}
