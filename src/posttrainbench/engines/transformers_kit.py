"""Generation with transformers in the agent's kit, by the code that the `transformers` engine itself uses."""

import argparse
import os
from pathlib import Path
from typing import Any


def complete(
    checkpoint: Path,
    template: str,
    conversations: list[tuple[list[dict[str, Any]], list[dict[str, Any]] | None]],
    max_tokens: int,
    seed: int,
    options: argparse.Namespace,
) -> list[str]:
    """Return one completion for each conversation, in order.

    Args:
        checkpoint: directory of a saved model.
        template: chat template (Jinja), used instead of the checkpoint's own.
        conversations: messages, and tools if there are any.
        max_tokens: limit of one completion.
        seed: sampling seed of every completion.
        options: the parsed command line, and `dtype`: number format of weights and computations.
    """
    import torch

    from .generation import Generator, Request

    if "OMP_NUM_THREADS" in os.environ:
        torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    generator = Generator(checkpoint, template, dtype=options.dtype)
    requests = [Request(generator.encode(messages, tools), max_tokens, seed) for messages, tools in conversations]
    return [completion.text for completion in generator.generate(requests)]
