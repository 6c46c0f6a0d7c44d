"""Key-value caches of a fixed number of rows, for batches that rows join and leave at any step.

Stand-alone: needs only torch and transformers. The agent's kit holds a copy.

A prompt is computed in pieces that begin at multiples of `piece` tokens, alone or in a fixed number of rows. If another
row holds the same first pieces, their keys and values are copied, which gives the same numbers. A decoding step always
computes all rows, of which each writes at its own position.

The memory is the number of rows times the length of the longest one. Where that would exceed the limit, there are fewer
rows.
"""

import inspect
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

CAPACITY_STEP = 256
LENGTH_STEP = 64
"""The lengths of rows are padded to multiples of this number of tokens in a decoding step."""
PROBE = tuple(range(3, 19))
CGROUPS = "/sys/fs/cgroup"


class Rows(Protocol):
    """Rows that generate; all methods run in inference mode.

    Attributes:
        most: largest number of rows.
        count: current number of rows.
        together: number of prompts that are computed as fast as one.
    """

    most: int
    count: int
    together: int

    def most_at(self, length: int) -> int:
        """Return how many rows with this number of tokens fit in the memory."""

    def fit(self, length: int, live: Sequence[int], wanted: int) -> int | None:
        """Make room for rows with this number of tokens.

        Args:
            length: number of tokens.
            live: the rows in use. If rows are moved, the first of them are kept as rows 0, 1, ...
            wanted: number of rows that are needed; other lengths may be given up for them.

        Returns:
            How many rows of `live` were kept; None if no row was moved.
        """

    def clear(self) -> None:
        """Forget all rows and free their memory, after an error."""

    def prefill(self, prompts: Mapping[int, tuple[int, ...]]) -> Tensor:
        """Start at most `together` rows with prompts.

        Returns:
            The scores of their next tokens, of shape [prompts, vocabulary].
        """

    def decode(self, tokens: Mapping[int, int]) -> Tensor:
        """Append one token to each of these rows; return the scores of the next ones, of shape [count, vocabulary]."""


class Slots:
    """Rows of a model whose only state is the keys and values of its attention, full or sliding."""

    def __init__(self, model: Any, count: int, piece: int, together: int = 1, tokens: int | None = None) -> None:
        """Allocate nothing yet; see `token_bytes` for the models that can be used.

        Args:
            model: the model.
            count: largest number of rows.
            piece: tokens of a prompt that are computed at once.
            together: see `Rows`.
            tokens: limit on the number of rows times their length; None for no limit.
        """
        self.model, self.most, self.piece, self.together, self.tokens = model, count, piece, together, tokens
        self.cache = _cache_argument(model)
        self.kinds, self.window = attention_kinds(model)
        self.layers: list[object] = []  # of transformers' own caches; none of them is used
        self.clear()

    def clear(self) -> None:
        """See `Rows`."""
        self.keys: dict[int, Tensor] = {}
        self.values: dict[int, Tensor] = {}
        self.capacity = 0
        self.seen = 0
        self._set_rows([()] * self.most, [0] * self.most)

    def _set_rows(self, held: list[tuple[int, ...]], length: list[int]) -> None:
        self.held, self.length, self.count = held, length, len(held)
        self.every_row = torch.arange(self.count, device=self.model.device)
        self.targets = self.positions = self.every_row[:, None]

    def most_at(self, length: int) -> int:
        """See `Rows`."""
        return self._rows_of(_round_up(length + self.piece, CAPACITY_STEP))

    def _rows_of(self, capacity: int) -> int:
        return self.most if self.tokens is None else min(self.most, self.tokens // capacity)

    def fit(self, length: int, live: Sequence[int], wanted: int) -> int | None:
        """See `Rows`."""
        length += self.piece  # the last piece of a prompt is padded
        least = _round_up(length, CAPACITY_STEP)
        if length <= self.capacity and (wanted <= self.count or self._rows_of(least) < min(self.most, 2 * self.count)):
            return None
        roomy = _round_up(max(length, self.capacity * 5 // 4), CAPACITY_STEP)
        capacity = roomy if self._rows_of(roomy) == self._rows_of(least) else least
        count = self._rows_of(capacity)
        if count == self.count:
            self._move(range(count), capacity)
            return None
        kept = list(live)[:count]
        others = [row for row in range(self.count) if row not in live]  # their prompts may be of use
        self._move([*kept, *others][:count], capacity)
        missing = count - self.count
        self._set_rows(self.held + [()] * missing, self.length + [0] * missing)
        return len(kept)

    def _move(self, rows: Sequence[int], capacity: int) -> None:
        """Replace the memory by one of this capacity with these rows, and empty rows up to its limit."""
        index = list(rows)
        count, size = self._rows_of(capacity), min(self.capacity, capacity)
        for stores in (self.keys, self.values):
            for layer, old in stores.items():
                stores[layer] = old.new_zeros(count, old.shape[1], capacity, old.shape[3])
                for place, row in enumerate(index):
                    stores[layer][place, :, :size] = old[row, :, :size]
        self.capacity = capacity
        self._set_rows([self.held[row][: capacity - 1] for row in index], [self.length[row] for row in index])

    def prefill(self, prompts: Mapping[int, tuple[int, ...]]) -> Tensor:
        """See `Rows`."""
        if not all(prompts.values()):
            raise ValueError("the prompt is empty")
        self._reserve(max(map(len, prompts.values())))
        begins = {row: self._copy_prefix(row, prompt) for row, prompt in prompts.items()}
        scores = {}
        while begins:
            rows = list(begins)
            padded = [*rows, *rows[:1] * (self.together - len(rows))]
            left = [len(prompts[row]) - begins[row] for row in padded]
            width = self.piece if self.together > 1 else min(self.piece, left[0])
            ids = [prompts[row][begins[row] : begins[row] + width] for row in padded]
            ids = [(*tokens, *(0,) * (width - len(tokens))) for tokens in ids]
            positions = self._tensor([[begins[row]] for row in padded]) + torch.arange(width, device=self.model.device)
            last = self._tensor([min(width, tokens) - 1 for tokens in left])
            output = self._forward(ids, self._tensor(padded), positions, last)
            for place, row in enumerate(rows):
                begins[row] += width
                if left[place] <= width:
                    scores[row] = output[place, place]
                    self.held[row], self.length[row] = prompts[row], len(prompts[row])
                    del begins[row]
        return torch.stack([scores[row] for row in prompts])

    def decode(self, tokens: Mapping[int, int]) -> Tensor:
        """See `Rows`."""
        at = [self.length[row] if row in tokens else len(self.held[row]) for row in range(self.count)]
        self._reserve(max(at) + 1)
        ids = [(tokens.get(row, 0),) for row in range(self.count)]
        seen = max(at[row] for row in tokens) + 1
        scores = self._forward(ids, self.every_row, self._tensor(at)[:, None], self._tensor([0]), seen)
        for row in tokens:
            self.length[row] += 1
        return scores[:, 0]

    def update(self, key: Tensor, value: Tensor, layer_idx: int, *_: object, **__: object) -> tuple[Tensor, Tensor]:
        """Store a layer's new keys and values; return those to attend to. Models call it on their cache."""
        if layer_idx not in self.keys:
            for store, new in ((self.keys, key), (self.values, value)):
                store[layer_idx] = new.new_zeros(self.count, new.shape[1], self.capacity, new.shape[3])
        keys, values = self.keys[layer_idx], self.values[layer_idx]
        keys[self.targets[:, None], :, self.positions] = key.transpose(1, 2)
        values[self.targets[:, None], :, self.positions] = value.transpose(1, 2)
        if self.targets is self.every_row:
            return keys[:, :, : self.seen], values[:, :, : self.seen]
        return keys[self.targets, :, : self.seen], values[self.targets, :, : self.seen]

    def get_seq_length(self, layer_idx: int = 0) -> int:
        """Return 0: positions and masks are always given. Models call it on their cache."""
        return 0

    def _forward(
        self, ids: Sequence[tuple[int, ...]], rows: Tensor, positions: Tensor, last: Tensor, seen: int | None = None
    ) -> Tensor:
        """Compute tokens at positions of rows; return the scores after those in the columns `last`."""
        self.targets, self.positions = rows, positions
        seen = seen or int(positions.max()) + 1
        self.seen = min(self.capacity, _round_up(seen, LENGTH_STEP))
        scores: Tensor = self.model(
            input_ids=self._tensor(ids),
            attention_mask=self._masks(positions),
            position_ids=positions,
            use_cache=True,
            logits_to_keep=last,
            **{self.cache: self},
        ).logits
        return scores

    def _tensor(self, numbers: Any) -> Tensor:
        return torch.tensor(numbers, device=self.model.device)

    def _masks(self, positions: Tensor) -> Any:
        """Return the additive mask of shape [rows, 1, queries, keys], or one for each kind of attention."""
        columns = torch.arange(self.seen, device=positions.device)
        masks = {}
        for kind in self.kinds:
            hidden = columns > positions[:, None, :, None]
            if kind == "sliding_attention":
                hidden |= columns <= positions[:, None, :, None] - self.window
            mask = torch.zeros(hidden.shape, dtype=self.model.dtype, device=positions.device)
            masks[kind] = mask.masked_fill_(hidden, torch.finfo(self.model.dtype).min)
        return masks if len(masks) > 1 else next(iter(masks.values()))

    def _copy_prefix(self, row: int, prompt: tuple[int, ...]) -> int:
        """Copy the first pieces of a prompt from a row that holds them; return the number of tokens."""
        shared, _, source = max(
            (self._shared(held, prompt), other == row, other) for other, held in enumerate(self.held)
        )
        self.held[row] = prompt[:shared]  # until the rest is computed
        if shared and source != row:
            for store in (*self.keys.values(), *self.values.values()):
                store[row, :, :shared] = store[source, :, :shared]
        return shared

    def _shared(self, held: tuple[int, ...], prompt: tuple[int, ...]) -> int:
        """Return how many tokens in whole pieces two prompts share, not counting the last token of `prompt`."""
        end = 0
        while end + self.piece < len(prompt) and held[end : end + self.piece] == prompt[end : end + self.piece]:
            end += self.piece
        return end

    def _reserve(self, length: int) -> None:
        """Make room for rows of this length, unless `fit` has done it.

        Raises:
            RuntimeError: they do not fit in the memory.
        """
        if length > self.capacity and self.fit(length, range(self.count), 0) is not None:
            raise RuntimeError(f"{self.count} rows of {length} tokens do not fit in the memory")


class OneRow:
    """One row with the model's own cache, for models that keep other state than keys and values."""

    most = count = together = 1

    def __init__(self, model: Any) -> None:
        """Start with an empty cache."""
        self.model, self.name, self.cache = model, _cache_argument(model), None

    def most_at(self, length: int) -> int:
        """See `Rows`."""
        return 1

    def fit(self, length: int, live: Sequence[int], wanted: int) -> int | None:
        """See `Rows`."""
        return None

    def clear(self) -> None:
        """See `Rows`."""
        self.cache = None

    def prefill(self, prompts: Mapping[int, tuple[int, ...]]) -> Tensor:
        """See `Rows`."""
        self.cache = None
        return self._forward(prompts[0])

    def decode(self, tokens: Mapping[int, int]) -> Tensor:
        """See `Rows`."""
        return self._forward(tuple(tokens.values()))

    def _forward(self, tokens: tuple[int, ...]) -> Tensor:
        ids = torch.tensor([tokens], device=self.model.device)
        output = self.model(input_ids=ids, use_cache=True, logits_to_keep=1, **{self.name: self.cache})
        self.cache = output[self.name]
        scores: Tensor = output.logits[:, -1]
        return scores


def attention_kinds(model: Any) -> tuple[tuple[str, ...], int]:
    """Return the kinds of a model's layers, and the length of the sliding window (0 if there is none)."""
    config = model.config.get_text_config(decoder=True)
    window = getattr(config, "sliding_window", None) or 0
    kinds = getattr(config, "layer_types", None) or ["sliding_attention" if window else "full_attention"]
    return tuple(dict.fromkeys(kinds)), window


@torch.inference_mode()
def token_bytes(model: Any) -> int:
    """Return the memory of a token in `Slots`; 0 if a model computes something else there than without a cache.

    That is tried on a short prompt.
    """
    if not set(attention_kinds(model)[0]) <= {"full_attention", "sliding_attention"}:
        return 0
    plain = model(input_ids=torch.tensor([PROBE], device=model.device), use_cache=False).logits[0, -2:].float()
    slots = Slots(model, 2, len(PROBE) // 3)
    try:
        slots.prefill({0: PROBE[:-1]})
        [first] = slots.prefill({1: PROBE[:-1]})  # with the pieces of row 0
        second = slots.decode({1: PROBE[-1]})[1]
    except (AttributeError, IndexError, KeyError, RuntimeError, TypeError, ValueError):
        return 0
    difference = (torch.stack([first, second]).float() - plain).abs().mean()
    if not difference < 0.1 * (plain - plain.mean()).abs().mean():
        return 0
    stores = (*slots.keys.values(), *slots.values.values())
    return sum(store.shape[1] * store.shape[3] * store.element_size() for store in stores)


def free_memory(device: str) -> int:
    """Return the free memory of the device in bytes: of the GPU, or of this machine and control group."""
    if device == "cuda":
        return int(torch.cuda.mem_get_info()[0])
    free = [os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    if found := re.search(r"^MemAvailable: +([0-9]+) kB$", _content("/proc/meminfo"), re.MULTILINE):
        free = [int(found[1]) * 1024]
    for line in _content("/proc/self/cgroup").splitlines():
        _, controllers, group = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        place = Path(CGROUPS, "memory" if controllers else "", group.lstrip("/"))
        free += [value for folder in (place, *place.parents) if (value := _group_memory(folder)) is not None]
    return min(free)


def _content(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # not every sandbox has it
        return ""


def _group_memory(folder: Path) -> int | None:
    """Return the free memory of a control group of version 1 or 2, file cache included; None without a limit."""
    for names in (("memory.max", "memory.current"), ("memory.limit_in_bytes", "memory.usage_in_bytes")):
        try:
            limit, used = (int((folder / name).read_text()) for name in names)
            stat = dict(line.split(" ", 1) for line in (folder / "memory.stat").read_text().splitlines())
        except (OSError, ValueError):
            continue
        cache = int(stat.get("total_inactive_file", stat.get("inactive_file", "0")))
        return max(0, limit - max(0, used - cache))
    return None


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


def _cache_argument(model: Any) -> str:
    """Return the name of the model's argument for a cache, which transformers 5.24 renamed."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"
