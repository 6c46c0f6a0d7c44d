"""Greedy generation. Stand-alone: it also lies in the agent's kit, so that `evaluate.py` generates in the same way."""

import argparse
from pathlib import Path
from typing import Any

Messages = list[dict[str, Any]]


class Greedy:
    """A loaded checkpoint."""

    def __init__(self, checkpoint: Path, template: str) -> None:
        """Load it; `template` is the chat template (Jinja)."""
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint)
        self.tokenizer.chat_template = template
        self.model = AutoModelForCausalLM.from_pretrained(checkpoint, use_safetensors=True, dtype=torch.float32)

    def complete(self, messages: Messages, tools: Messages | None, max_tokens: int) -> str:
        """Return the most likely completion of a chat, at most `max_tokens` tokens."""
        prompt = self.tokenizer.apply_chat_template(
            messages, tools=tools or None, add_generation_prompt=True, tokenize=False
        )
        ids = self.tokenizer(prompt, add_special_tokens=False, return_tensors="pt")
        output = self.model.generate(**ids, max_new_tokens=max_tokens, do_sample=False)
        return str(self.tokenizer.decode(output[0, ids["input_ids"].shape[1] :], skip_special_tokens=True))


def complete(
    checkpoint: Path,
    template: str,
    conversations: list[tuple[Messages, Messages | None]],
    max_tokens: int,
    seed: int,
    options: argparse.Namespace,
) -> list[str]:
    """Return one completion for each conversation; called by `evaluate.py`."""
    model = Greedy(checkpoint, template)
    return [model.complete(messages, tools, max_tokens) for messages, tools in conversations]
