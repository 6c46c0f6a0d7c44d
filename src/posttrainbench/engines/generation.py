"""Continuous batching: a fixed number of rows, each of which takes the next request as soon as its own is complete.

Stand-alone: needs only torch, transformers and the modules `sampling` and `slots` beside it. The engine uses it, and
the agent's kit holds a copy, so that the agent's own evaluations match the final one.

Each request is computed in the same shapes whatever the other rows hold, and samples from its own generator. In float32
on one thread, the results for a request do not depend on the other requests, and the same seed gives the same score.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList
from transformers.generation import logits_process

from .sampling import SAMPLING_KEYS
from .slots import OneRow, Rows, Slots, supports

SMALL_PARAMETERS = 20_000_000
ROWS = {"small": 64, "cpu": 16, "cuda": 32}
"""Rows of a small model, and of others on each device; more rows cost more time for those that are empty."""
PIECE = {"cpu": 64, "cuda": 512}
"""Tokens of a prompt that are computed at once."""
SMALL_TOGETHER = 8
"""Prompts that a small model computes at once."""
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


@dataclass(frozen=True)
class Completion:
    """Generated text, its number of tokens, and whether it was cut at the limit."""

    text: str
    tokens: int
    cut: bool


OnDone = Callable[[Completion], None]


@dataclass
class Row:
    """A request that is being completed."""

    request: Request
    on_done: OnDone
    generator: torch.Generator
    written: list[int] = field(default_factory=list)


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
        small = sum(tensor.numel() for tensor in self.model.parameters()) < SMALL_PARAMETERS
        self.rows: Rows = OneRow(self.model)
        if supports(self.model):
            count = ROWS["small" if small else self.device]
            self.rows = Slots(self.model, count, PIECE[self.device], SMALL_TOGETHER if small else 1)
        self.live: dict[int, Row] = {}

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
        """Complete all requests; return the completions in the order of the requests."""
        waiting = deque(enumerate(requests))
        done: dict[int, Completion] = {}
        while waiting or self.live:
            while count := self.room(len(waiting)):
                chosen = [waiting.popleft() for _ in range(count)]
                self.add([(request, partial(done.__setitem__, index)) for index, request in chosen])
            self.step()
        return [done[index] for index in range(len(requests))]

    def room(self, waiting: int) -> int:
        """Return how many of the waiting requests to add now; 0 to go on with the others first."""
        count = min(waiting, self.rows.count - len(self.live), self.rows.together)
        return count if count in (waiting, self.rows.together) or not self.live else 0

    @torch.inference_mode()
    def add(self, requests: Sequence[tuple[Request, OnDone]]) -> None:
        """Compute prompts and their first tokens in free rows.

        Args:
            requests: each with the function to call when it is complete; as many as `room` allows.
        """
        rows = [row for row in range(self.rows.count) if row not in self.live][: len(requests)]
        scores = self.rows.prefill({row: request.prompt for row, (request, _) in zip(rows, requests, strict=True)})
        seeded = [torch.Generator(device=self.device).manual_seed(request.seed) for request, _ in requests]
        added = [Row(*request, generator) for request, generator in zip(requests, seeded, strict=True)]
        first = self.pick(scores, dict(enumerate(added)))
        self.live.update(zip(rows, added, strict=True))
        self._take({row: first[place] for place, row in enumerate(rows)})

    @torch.inference_mode()
    def step(self) -> None:
        """Append a token to each request that is being completed."""
        if self.live:
            scores = self.rows.decode({row: one.written[-1] for row, one in self.live.items()})
            self._take(self.pick(scores, self.live))

    def drop(self) -> list[Row]:
        """Give up and return all requests that are being completed, after an error."""
        dropped = list(self.live.values())
        self.live.clear()
        return dropped

    def pick(self, scores: torch.Tensor, rows: Mapping[int, Row]) -> dict[int, int]:
        """Choose the next tokens from scores of shape [any, vocabulary], of which `rows` are used."""
        scores = self.processors(self._history(len(scores), rows), scores.float())
        if not self.sample:
            greedy = scores.argmax(-1).tolist()
            return {row: greedy[row] for row in rows}
        chances = scores.softmax(-1)
        return {row: int(torch.multinomial(chances[row], 1, generator=one.generator)) for row, one in rows.items()}

    def _history(self, count: int, rows: Mapping[int, Row]) -> torch.Tensor:
        """Return the tokens of each row, which only a repetition penalty reads; repeated ones make lengths equal."""
        if self.decoding["repetition_penalty"] in (None, 1.0):
            return torch.zeros((count, 0), dtype=torch.long, device=self.device)
        ids = [[0]] * count
        for row, one in rows.items():
            ids[row] = [*one.request.prompt, *one.written]
        longest = max(map(len, ids))
        padded = [[*one, *one[:1] * (longest - len(one))] for one in ids]
        return torch.tensor(padded, device=self.device)

    def _take(self, tokens: Mapping[int, int]) -> None:
        """Append tokens to rows, and complete the rows that end with them."""
        for row, token in tokens.items():
            one = self.live[row]
            one.written.append(token)
            if (
                token in self.ends
                or len(one.written) >= one.request.max_tokens
                or (len(one.written) % STOP_EVERY == 0 and self._stopped(one.written, one.request.stop))
            ):
                del self.live[row]
                one.on_done(self._completion(one.written, one.request.stop))

    def _stopped(self, tokens: list[int], stop: tuple[str, ...]) -> bool:
        return bool(stop) and any(text in self.tokenizer.decode(tokens) for text in stop)

    def _completion(self, tokens: list[int], stop: tuple[str, ...]) -> Completion:
        ended = bool(tokens) and tokens[-1] in self.ends
        text = self.tokenizer.decode(tokens[:-1] if ended else tokens, skip_special_tokens=True)
        at = min((place for wanted in stop if (place := text.find(wanted)) >= 0), default=None)
        return Completion(text=text[:at], tokens=len(tokens), cut=not ended and at is None)
