"""Evaluate every checkpoint in its canonical form: see `submission.canonical`."""

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from posttrainbench import catalog
from posttrainbench.benchmarks.registry import load_benchmark
from posttrainbench.engines import EngineLoadError
from posttrainbench.evaluation.items import items_with_prompts, load_items
from posttrainbench.evaluation.plan import EvaluationPlan
from posttrainbench.submission.canonical import examine, write
from posttrainbench.untrusted import UnreadableError


class NotAcceptedError(EngineLoadError):
    """The checkpoint would not be accepted as a submission; no engine was started."""


@contextmanager
def canonical_form(
    checkpoint: Path, benchmark_ids: Sequence[str], plan: EvaluationPlan, folder: Path
) -> Iterator[Path]:
    """Write the canonical form of a checkpoint for the duration of an evaluation.

    Weight files that can be used as they are become links; others are rewritten.

    Args:
        checkpoint: a submission, or a checkpoint of the base model's architecture.
        folder: an existing directory, for the temporary files.

    Yields:
        The directory to serve.

    Raises:
        NotAcceptedError: the checkpoint would not be accepted as a submission; the message says why.
        InfrastructureError: the base model cannot be read.
    """
    examination = examine(checkpoint, plan.base.directory, [checkpoint.resolve().parent])
    if examination.plan is None:
        raise NotAcceptedError(examination.problems[0])
    with tempfile.TemporaryDirectory(prefix="canonical-", dir=folder) as name:
        try:
            write(examination.plan, Path(name), lambda: rendered_prompts(benchmark_ids, plan), link=True)
        except UnreadableError as error:
            raise NotAcceptedError(f"A file of the checkpoint cannot be read: {error}.") from None
        yield Path(name)


def rendered_prompts(benchmark_ids: Sequence[str], plan: EvaluationPlan) -> Iterator[str]:
    """Yield the prompts of benchmarks, for every evaluation seed, as the engines render them."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(plan.base.directory, trust_remote_code=False)
    for benchmark_id in benchmark_ids:
        facts = catalog.find(catalog.benchmarks(), benchmark_id, "benchmark")
        items = load_items(facts, "test")
        template = plan.template(tools=any(item.tools for item in items))
        for seed in plan.seeds:
            for item in items_with_prompts(load_benchmark(benchmark_id), items, seed, plan):
                yield tokenizer.apply_chat_template(
                    item.conversation,
                    tools=item.tools or None,
                    chat_template=template,
                    add_generation_prompt=True,
                    tokenize=False,
                )
