"""Continuous batching: a fixed number of rows, each of which takes the next request as soon as its own is complete.

Stand-alone: needs only torch, transformers and the modules `sampling` and `slots` beside it. The engine uses it, and
the agent's kit holds a copy, so that the agent's own evaluations match the final one.

Each request is computed in the same shapes whatever the other rows hold, and samples from its own generator. In float32
on one thread, the results for a request do not depend on the other requests, and the same seed gives the same score.
Only where the memory does not suffice for all rows, there are fewer, and the youngest requests may be computed again.
"""

from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, LogitsProcessorList
from transformers.generation import logits_process

from .sampling import SAMPLING_KEYS
from .slots import OneRow, Rows, Slots, free_memory, token_bytes

SMALL_PARAMETERS = 20_000_000
ROWS = {"small": 64, "cpu": 16, "cuda": 32}
"""Rows of a small model, and of others on each device; more rows cost more time for those that are empty."""
PIECE = {"cpu": 64, "cuda": 512}
"""Tokens of a prompt that are computed at once."""
SMALL_TOGETHER = 8
"""Prompts that a small model computes at once."""
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "vocab.json")
HALF = "\N{REPLACEMENT CHARACTER}"
"""Stands for the first bytes of a character at the end of a text."""
KV_SHARE = {"cpu": 0.5, "cuda": 0.8}
"""Largest share of the free memory for keys and values."""
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
        decoding: sampling settings that replace the generator's, as (name, value).
    """

    prompt: tuple[int, ...]
    max_tokens: int
    seed: int
    stop: tuple[str, ...] = ()
    decoding: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Completion:
    """Generated text, its number of tokens, and whether it was cut at the limit."""

    text: str
    tokens: int
    cut: bool


class RequestError(ValueError):
    """A request is invalid, or exceeds the context of the model or the memory for keys and values."""


OnDone = Callable[[Completion | Exception], None]
"""Called with the completion of a request, or with the error that ended it."""


@dataclass(frozen=True)
class Decoding:
    """Settings by which the next token is chosen.

    Attributes:
        sample: whether to sample; otherwise, the likeliest token is chosen.
        penalized: whether the scores depend on the tokens so far.
        processors: change the scores.
    """

    sample: bool
    penalized: bool
    processors: LogitsProcessorList


@dataclass
class Row:
    """A request that waits, or is being completed."""

    request: Request
    on_done: OnDone
    is_wanted: Callable[[], bool]
    generator: torch.Generator
    written: list[int] = field(default_factory=list)

    @property
    def tokens(self) -> tuple[int, ...]:
        """The prompt and what was generated."""
        return (*self.request.prompt, *self.written)


class Generator:
    """A loaded checkpoint. The chat template comes from the caller, never from the checkpoint."""

    def __init__(
        self,
        checkpoint: Path,
        template: str,
        decoding: Mapping[str, float] | None = None,
        dtype: str = "float32",
        kv_memory: int | None = None,
    ) -> None:
        """Load the checkpoint on the first GPU, or on the CPU if there is none.

        Args:
            checkpoint: directory of a saved model.
            template: chat template (Jinja).
            decoding: sampling settings that replace the checkpoint's own.
            dtype: number format of weights and computations.
            kv_memory: limit of the memory for keys and values in bytes; None for a share of the free memory.
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
        self.ends = {*(ends if isinstance(ends, Iterable) else [ends]), self.tokenizer.eos_token_id}
        self.decoding: dict[str, Any] = {key: getattr(config, key, None) for key in ("do_sample", *SAMPLING_KEYS)}
        if decoding is not None:
            self.decoding = {"do_sample": True, **dict.fromkeys(SAMPLING_KEYS), **decoding}
        self.decodings: dict[tuple[tuple[str, float], ...], Decoding] = {}
        self.sample = self.decoding_of(()).sample
        self.context = getattr(self.model.config.get_text_config(decoder=True), "max_position_embeddings", None)
        self.vocabulary = self.model.get_input_embeddings().num_embeddings
        self.rows = self._rows(kv_memory)
        self.waiting: deque[Row] = deque()
        self.live: dict[int, Row] = {}

    def _rows(self, kv_memory: int | None) -> Rows:
        small = sum(tensor.numel() for tensor in self.model.parameters()) < SMALL_PARAMETERS
        size = token_bytes(self.model)
        if not size:
            return OneRow(self.model)
        memory = int(free_memory(self.device) * KV_SHARE[self.device]) if kv_memory is None else kv_memory
        together = SMALL_TOGETHER if small else 1
        return Slots(self.model, ROWS["small" if small else self.device], PIECE[self.device], together, memory // size)

    def decoding_of(self, overrides: tuple[tuple[str, float], ...]) -> Decoding:
        """Return how to choose tokens with settings that replace the generator's."""
        if overrides not in self.decodings:
            self.decodings[overrides] = _decoding(self.decoding | dict(overrides), "temperature" in dict(overrides))
        return self.decodings[overrides]

    def encode(self, messages: list[dict[str, Any]], tools: list[dict[str, Any]] | None = None) -> tuple[int, ...]:
        """Render a chat with its tools, and return the token ids."""
        text = self.tokenizer.apply_chat_template(
            messages, tools=tools or None, add_generation_prompt=True, tokenize=False
        )
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def generate(self, requests: list[Request]) -> list[Completion]:
        """Complete all requests; return the completions in the order of the requests.

        Raises:
            RequestError: a request is invalid.
        """
        done: dict[int, Completion | Exception] = {}
        for index, request in enumerate(requests):
            self.add(self.accept(request), partial(done.__setitem__, index))
        while self.busy:
            self.step()
        for result in done.values():
            if isinstance(result, Exception):
                raise result
        return [result for _, result in sorted(done.items()) if isinstance(result, Completion)]

    def accept(self, request: Request) -> Request:
        """Return a request, its limit reduced to what the model's context leaves for it.

        Raises:
            RequestError: it cannot be completed.
        """
        length = len(request.prompt)
        if not length:
            raise RequestError("the prompt is empty")
        if request.max_tokens < 1:
            raise RequestError(f"max_tokens must be at least 1, not {request.max_tokens}")
        if "" in request.stop:
            raise RequestError("a stop text is empty")
        if not 0 <= min(request.prompt) <= max(request.prompt) < self.vocabulary:
            raise RequestError(f"the prompt has a token that the model does not have: {max(request.prompt)}")
        if self.context and length >= self.context:
            raise RequestError(f"the prompt has {length} tokens; the model's context is {self.context}")
        if self.context:
            request = replace(request, max_tokens=min(request.max_tokens, self.context - length))
        if not self.rows.most_at(length + request.max_tokens):
            raise RequestError(
                f"the memory for keys and values does not hold {length + request.max_tokens} tokens (prompt and "
                "max_tokens); free memory, or set the engine's kv_memory"
            )
        return request

    def reseeded(self, request: Request, number: int) -> Request:
        """Return the request for another completion of the same prompt; its seed is `number` higher."""
        return replace(request, seed=(request.seed + number + 2**63) % 2**64 - 2**63)

    def add(self, request: Request, on_done: OnDone, is_wanted: Callable[[], bool] = lambda: True) -> None:
        """Queue a request that `accept` returned.

        Args:
            request: the request.
            on_done: called by `step`.
            is_wanted: `step` gives up the request, and does not call `on_done`, once this returns False.
        """
        generator = torch.Generator(device=self.device).manual_seed(request.seed)
        self.waiting.append(Row(request, on_done, is_wanted, generator))

    @property
    def busy(self) -> bool:
        """Whether there are requests to complete."""
        return bool(self.live or self.waiting)

    @torch.inference_mode()
    def step(self) -> None:
        """Begin requests for which there is room, and append a token to each one that has begun.

        An error ends the requests that it concerns: one whose prompt fails, else all that have begun.
        """
        self.waiting = deque(row for row in self.waiting if row.is_wanted())
        self.live = {row: one for row, one in self.live.items() if one.is_wanted()}
        try:
            while group := self._next_group():
                self._begin(group)
            if self.live:
                self._fit(max(len(one.tokens) for one in self.live.values()) + 1, len(self.live))
                scores = self.rows.decode({row: one.written[-1] for row, one in self.live.items()})
                self._take(self.pick(scores, self.live))
        except Exception as error:  # whoever waits for a request must learn of any error
            ended = [*self.live.values()]
            self.live = {}
            self.rows.clear()
            for one in ended:
                one.on_done(error)

    def _next_group(self) -> list[Row]:
        """Take the requests to begin now from the queue, as many as are computed together; none if others go first."""
        if not self.waiting:
            return []
        length = max(len(one.tokens) for one in (*self.live.values(), self.waiting[0]))
        self._fit(length, len(self.live) + 1)
        count = min(len(self.waiting), self.rows.together)
        if self.live and len(self.live) + count > self.rows.count:
            return []
        group: list[Row] = []
        while self.waiting and len(group) < count:
            length = max(length, len(self.waiting[0].tokens))
            if (group or self.live) and len(self.live) + len(group) >= self.rows.most_at(length):
                break
            group.append(self.waiting.popleft())
        return group

    def _fit(self, length: int, wanted: int) -> None:
        """Make room for rows of this length; the youngest requests that do not fit wait again."""
        if wanted > len(self.live) and self.live and self.rows.most_at(length) < wanted:
            return  # the next one waits, rather than displacing others
        kept = self.rows.fit(length, list(self.live), wanted)
        if kept is not None:
            rows = list(self.live.values())
            self.live = dict(enumerate(rows[:kept]))
            self.waiting.extendleft(reversed(rows[kept:]))

    def _begin(self, group: list[Row]) -> None:
        """Compute prompts and the next tokens; if that fails, each one separately."""
        self._fit(max(len(one.tokens) for one in group), len(self.live) + len(group))
        rows = [row for row in range(self.rows.count) if row not in self.live][: len(group)]
        try:
            scores = self.rows.prefill({row: one.tokens for row, one in zip(rows, group, strict=True)})
        except Exception as error:
            if len(group) == 1:
                group[0].on_done(error)
                return
            for one in group:
                self._begin([one])
            return
        self.live.update(zip(rows, group, strict=True))
        first = self.pick(scores, dict(enumerate(group)))
        self._take({row: first[place] for place, row in enumerate(rows)})

    def pick(self, scores: torch.Tensor, rows: Mapping[int, Row]) -> dict[int, int | Exception]:
        """Choose the next tokens, or the errors, from scores of shape [any, vocabulary], of which `rows` are used."""
        chosen: dict[int, int | Exception] = {}
        kinds = {one.request.decoding: self.decoding_of(one.request.decoding) for one in rows.values()}
        for key, decoding in kinds.items():
            alike = {row: one for row, one in rows.items() if one.request.decoding == key}
            history = self._history(len(scores), alike if decoding.penalized else {})
            changed = decoding.processors(history, scores.float())
            if decoding.sample:
                chances = changed.softmax(-1)
                chosen |= {row: _sample(chances[row], one.generator) for row, one in alike.items()}
            else:
                greedy = changed.argmax(-1).tolist()
                chosen |= {row: greedy[row] for row in alike}
        return chosen

    def _history(self, count: int, rows: Mapping[int, Row]) -> torch.Tensor:
        """Return the tokens of each row, which only a repetition penalty reads; repeated ones make lengths equal."""
        ids: list[tuple[int, ...]] = [(0,) if rows else ()] * count
        for row, one in rows.items():
            ids[row] = one.tokens
        longest = max(map(len, ids))
        padded = [[*one, *one[:1] * (longest - len(one))] for one in ids]
        return torch.tensor(padded, dtype=torch.long, device=self.device)

    def _take(self, tokens: Mapping[int, int | Exception]) -> None:
        """Append tokens to rows, and complete the rows that end with them."""
        for row, token in tokens.items():
            one = self.live[row]
            if isinstance(token, Exception):
                del self.live[row]
                one.on_done(token)
                continue
            one.written.append(token)
            if (
                token in self.ends
                or len(one.written) >= one.request.max_tokens
                or (len(one.written) % STOP_EVERY == 0 and self._stopped(one.written, one.request.stop))
            ):
                del self.live[row]
                one.on_done(self._completion(one.written, one.request.stop))

    def _decode(self, tokens: Sequence[int], special: bool = False) -> str:
        """Return the text of tokens, exactly as they are."""
        text: str = self.tokenizer.decode(
            list(tokens), skip_special_tokens=not special, clean_up_tokenization_spaces=False
        )
        return text

    def _stopped(self, tokens: Sequence[int], stop: tuple[str, ...]) -> bool:
        return any(text in self._decode(tokens, special) for text, special in self._kinds(stop))

    def _kinds(self, stop: tuple[str, ...]) -> list[tuple[str, bool]]:
        """Return each stop text, and whether it contains a special token; those are not part of completions."""
        special = [str(token) for token in self.tokenizer.all_special_tokens]
        return [(text, any(token in text for token in special)) for text in stop]

    def _completion(self, tokens: list[int], stop: tuple[str, ...]) -> Completion:
        ended = tokens[-1] in self.ends
        written = tokens[:-1] if ended else tokens
        if not self._stopped(written, stop):
            return Completion(text=self._decode(written).rstrip(HALF), tokens=len(tokens), cut=not ended)
        count = (
            bisect_left(range(len(written)), True, key=lambda number: self._stopped(written[: number + 1], stop)) + 1
        )
        text = self._decode(written[:count])
        ends = [text.find(wanted) for wanted, special in self._kinds(stop) if not special]
        whole = self._decode(written[:count], special=True)
        for wanted, special in self._kinds(stop):
            if special and (place := whole.find(wanted)) >= 0:
                lengths = [len(self._decode(written[:number], special=True)) for number in range(count + 1)]
                before = max(number for number in range(count + 1) if lengths[number] <= place)
                ends.append(len(self._decode(written[:before])) + place - lengths[before])
        return Completion(text=text[: min(place for place in ends if place >= 0)], tokens=count, cut=False)


def _decoding(settings: Mapping[str, Any], temperature_decides: bool) -> Decoding:
    """Return settings as transformers' processors; a temperature of a request decides whether to sample."""
    penalty = settings["repetition_penalty"]
    penalized = bool(penalty) and penalty != 1.0
    sample = (temperature_decides or bool(settings["do_sample"])) and settings["temperature"] not in (0, 0.0)
    chosen = LogitsProcessorList()
    if penalized:
        chosen.append(logits_process.RepetitionPenaltyLogitsProcessor(penalty=float(penalty)))
    for key, off, kind in (
        ("temperature", 1.0, logits_process.TemperatureLogitsWarper),
        ("top_k", 0, logits_process.TopKLogitsWarper),
        ("top_p", 1.0, logits_process.TopPLogitsWarper),
        ("min_p", 0.0, logits_process.MinPLogitsWarper),
    ):
        value = settings[key]
        if sample and value is not None and value != off:
            chosen.append(kind(value))
    return Decoding(sample, penalized, chosen)


def _sample(chances: torch.Tensor, generator: torch.Generator) -> int | Exception:
    try:
        return int(torch.multinomial(chances, 1, generator=generator))
    except RuntimeError as error:  # a score that is not a number ends only its own request
        return error
