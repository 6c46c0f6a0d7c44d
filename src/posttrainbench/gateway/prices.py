"""What tokens cost: `prices.yaml` of the shipped catalog, of the user's catalogs, and of the user's settings."""

import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import Field, ValidationError

from posttrainbench.catalog.loading import catalogs
from posttrainbench.errors import InputError, one_line
from posttrainbench.records import Record

SHIPPED = Path(__file__).parents[1] / "catalog" / "prices.yaml"

MILLION = 1_000_000

DATED = re.compile(r"[-@](?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$")
"""How a snapshot's name ends, such as `gpt-5-2025-08-07` or `claude-opus-4-5@20251101`."""


class Rates(Record):
    """US dollars per million tokens. A cached or written token without a price of its own costs what input does."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    cache_write_1h: float | None = Field(default=None, ge=0)

    def cost(self, input: int, cached: int, output: int, cache_write: int, cache_write_1h: int) -> float:
        """US dollars; `input` counts all tokens of the prompt, so the cached and written ones are among them."""
        fresh = max(input - cached - cache_write - cache_write_1h, 0)
        written = self.input if self.cache_write is None else self.cache_write
        return (
            fresh * self.input
            + cached * (self.input if self.cached is None else self.cached)
            + cache_write * written
            + cache_write_1h * (written if self.cache_write_1h is None else self.cache_write_1h)
            + output * self.output
        ) / MILLION


class Price(Rates):
    """One model's prices.

    Attributes:
        above: prompt tokens -> the rates of a request whose prompt has more than that.
    """

    above: dict[int, Rates] = Field(default_factory=dict)

    def rates(self, input: int) -> Rates:
        """The rates for a prompt of `input` tokens."""
        passed = [limit for limit in self.above if input > limit]
        return self.above[max(passed)] if passed else self


class PriceTable(Record):
    """Prices by model name, as the provider writes it."""

    models: dict[str, Price]

    def find(self, model: str) -> Price | None:
        """A model's price, also under the name of a dated snapshot; None if it is unknown."""
        return self.models.get(model) or self.models.get(DATED.sub("", model))

    def cost(
        self, model: str, input: int, cached: int, output: int, cache_write: int = 0, cache_write_1h: int = 0
    ) -> float | None:
        """What a request costs in US dollars, or None where the model's price is unknown.

        Args:
            model: name at its provider.
            input: all tokens of the prompt, the following two kinds included.
            cached: of these, read from the provider's cache.
            output: generated tokens, reasoning included.
            cache_write: of the input, written to the cache for five minutes.
            cache_write_1h: of the input, written to the cache for an hour.
        """
        price = self.find(model)
        if price is None:
            return None
        return price.rates(input).cost(input, cached, output, cache_write, cache_write_1h)


def user_file() -> Path:
    """Where a user's own prices are, if there are any."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "posttrainbench" / "prices.yaml"


def load_prices() -> PriceTable:
    """The shipped table, with the rows of the user's catalogs and then of the user's file added or in place of its own.

    Raises:
        InputError: a file cannot be read or is no price table, or a catalog is none.
    """
    models = dict(_shipped().models)
    for file in (*(directory / "prices.yaml" for directory in catalogs()), user_file()):
        if file.is_file() and file != SHIPPED:
            try:
                models |= _table(yaml.safe_load(file.read_text())).models
            except (OSError, ValueError, yaml.YAMLError) as error:
                raise InputError(f"The price file {file} is not valid: {one_line(error)}") from None
    return PriceTable(models=models)


def cost(
    model: str, input: int, cached: int, output: int, cache_write: int = 0, cache_write_1h: int = 0
) -> float | None:
    """See `PriceTable.cost`, by `load_prices`."""
    return load_prices().cost(model, input, cached, output, cache_write, cache_write_1h)


@cache
def _shipped() -> PriceTable:
    return _table(yaml.safe_load(SHIPPED.read_text()))


def _table(content: Any) -> PriceTable:
    if not isinstance(content, dict):
        raise ValueError("it must be a mapping with the key `models`")
    try:
        return PriceTable.model_validate({"models": content.get("models")})
    except ValidationError as error:
        raise ValueError(one_line(error)) from None
