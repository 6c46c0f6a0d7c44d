"""Batched generation whose result for a prompt does not depend on the other prompts.

Stand-alone: needs only torch, transformers and the module `sampling` beside it. The engine uses it, and the agent's kit
holds a copy, so that the agent's own evaluations match the final one.

Every batch has the same number of rows and a length from a small set, and each row samples from its own generator. The
numerical results for a row are then the same in any batch, and the same seed gives the same score.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList
from transformers.generation import logits_process

from .sampling import SAMPLING_KEYS

ROWS = 50
BUCKET = 32
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
STOP_EVERY = 8
"""Number of steps between two searches for a stop text."""


@dataclass(frozen=True)
class Request:
    """A request for one completion.

    Attributes:
        prompt: token ids.
        max_tokens: limit on new tokens.
        seed: seed of this row's sampling; ignored by greedy decoding.
        stop: texts; the completion ends before their first occurrence.
    """

    prompt: tuple[int, ...]
    max_tokens: int
    seed: int
    stop: tuple[str, ...] = ()

    @property
    def bucket(self) -> int:
        """The padded prompt length: the next multiple of `BUCKET`."""
        return -(-len(self.prompt) // BUCKET) * BUCKET


@dataclass(frozen=True)
class Completion:
    """Generated text, its number of tokens, and whether it was cut at the limit."""

    text: str
    tokens: int
    cut: bool


class Generator:
    """A loaded checkpoint. The chat template comes from the caller, never from the checkpoint."""

    def __init__(
        self, checkpoint: Path, template: str, decoding: Mapping[str, float] | None = None, dtype: str = "float32"
    ) -> None:
        """Load the checkpoint on the first GPU, or on the CPU if there is none.

        Args:
            checkpoint: directory of a saved model.
            template: chat template (Jinja).
            decoding: sampling settings that replace the checkpoint's own.
            dtype: number format of weights and computations.
        """
        self.device = "cuda" if torch.cuda.is_available() else "cpu"
        if not any((checkpoint / name).is_file() for name in TOKENIZERS):
            raise FileNotFoundError("tokenizer.json is missing")  # the library would create an empty one
        self.tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)
        self.tokenizer.chat_template = template
        self.model = AutoModelForCausalLM.from_pretrained(
            checkpoint,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=getattr(torch, dtype),
        )
        self.model.to(self.device).eval()
        config = self.model.generation_config
        ends = config.eos_token_id if config.eos_token_id is not None else self.tokenizer.eos_token_id
        self.ends = set(ends) if isinstance(ends, Iterable) else {ends}
        self.decoding: dict[str, Any] = {key: getattr(config, key, None) for key in ("do_sample", *SAMPLING_KEYS)}
        if decoding is not None:
            self.decoding = {"do_sample": True, **dict.fromkeys(SAMPLING_KEYS), **decoding}
        self.sample = bool(self.decoding["do_sample"]) and self.decoding["temperature"] not in (0, 0.0)
        self.processors = self._processors()

    def _processors(self) -> LogitsProcessorList:
        """The checkpoint's own decoding settings, as transformers' processors."""
        chosen = LogitsProcessorList()
        penalty = self.decoding["repetition_penalty"]
        if penalty and penalty != 1.0:
            chosen.append(logits_process.RepetitionPenaltyLogitsProcessor(penalty=float(penalty)))
        if not self.sample:
            return chosen
        for key, off, kind in (
            ("temperature", 1.0, logits_process.TemperatureLogitsWarper),
            ("top_k", 0, logits_process.TopKLogitsWarper),
            ("top_p", 1.0, logits_process.TopPLogitsWarper),
            ("min_p", 0.0, logits_process.MinPLogitsWarper),
        ):
            value = self.decoding[key]
            if value is not None and value != off:
                chosen.append(kind(value))
        return chosen

    def encode(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> tuple[int, ...]:
        """Render a chat with its tools, and return the token ids."""
        text = self.tokenizer.apply_chat_template(
            messages, tools=tools or None, add_generation_prompt=True, tokenize=False
        )
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Complete all requests, in their order, in batches of `ROWS` that share a bucket."""
        by_bucket = defaultdict(list)
        for index, request in enumerate(requests):
            by_bucket[request.bucket].append(index)
        done: dict[int, Completion] = {}
        for _, indices in sorted(by_bucket.items()):
            for start in range(0, len(indices), ROWS):
                chunk = indices[start : start + ROWS]
                batch = self.batch([requests[index] for index in chunk])
                done.update(zip(chunk, batch, strict=True))
        return [done[index] for index in range(len(requests))]

    @torch.inference_mode()
    def batch(self, requests: list[Request]) -> list[Completion]:
        """Complete at most `ROWS` requests of one bucket together."""
        bucket = requests[0].bucket
        rows = [*requests, *[requests[0]] * (ROWS - len(requests))]
        pad = self.tokenizer.pad_token_id or 0
        ids = torch.tensor([[pad] * (bucket - len(row.prompt)) + list(row.prompt) for row in rows])
        mask = torch.tensor([[0] * (bucket - len(row.prompt)) + [1] * len(row.prompt) for row in rows])
        ids, mask = ids.to(self.device), mask.to(self.device)
        seeds = [torch.Generator(device=self.device).manual_seed(row.seed) for row in requests]
        written: list[list[int]] = [[] for _ in requests]
        open_rows = set(range(len(requests)))
        cache, step_ids = None, ids
        for step in range(max(row.max_tokens for row in requests)):
            positions = (mask.cumsum(1) - 1).clamp(min=0)[:, -step_ids.shape[1] :]
            output = self.model(
                input_ids=step_ids,
                attention_mask=mask,
                position_ids=positions,
                past_key_values=cache,
                use_cache=True,
                logits_to_keep=1,
            )
            cache = output.past_key_values
            scores = self.processors(ids, output.logits[:, -1].float())
            picked = scores.argmax(-1)
            if self.sample:
                chances = scores.softmax(-1)
                for row in open_rows:
                    picked[row] = torch.multinomial(chances[row], 1, generator=seeds[row])[0]
            for row, token in enumerate(picked[: len(requests)].tolist()):
                if row in open_rows:
                    written[row].append(token)
                    if token in self.ends or step + 1 >= requests[row].max_tokens:
                        open_rows.discard(row)
            if step % STOP_EVERY == STOP_EVERY - 1:
                open_rows -= {row for row in open_rows if self._stopped(written[row], requests[row].stop)}
            if not open_rows:
                break
            step_ids = picked[:, None]
            ids = torch.cat([ids, step_ids], 1)
            mask = torch.cat([mask, torch.ones_like(step_ids)], 1)
        return [self._completion(tokens, row.stop) for tokens, row in zip(written, requests, strict=True)]

    def _stopped(self, tokens: list[int], stop: tuple[str, ...]) -> bool:
        return bool(stop) and any(text in self.tokenizer.decode(tokens) for text in stop)

    def _completion(self, tokens: list[int], stop: tuple[str, ...]) -> Completion:
        ended = bool(tokens) and tokens[-1] in self.ends
        text = self.tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=True)
        at = min((place for wanted in stop if (place := text.find(wanted)) >= 0), default=None)
        return Completion(text=text[:at], tokens=len(tokens), cut=not ended and at is None)
