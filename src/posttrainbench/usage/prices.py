"""Token prices from `prices.yaml` in the shipped catalog, the user's catalogs and the user's configuration."""

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
"""Suffix of a dated snapshot's name, such as `gpt-5-2025-08-07` or `claude-opus-4-5@20251101`."""


class Rates(Record):
    """US dollars per million tokens. Cached or written tokens without a price of their own cost as much as input."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    cache_write_1h: float | None = Field(default=None, ge=0)

    def cost(self, input: int, cached: int, output: int, cache_write: int, cache_write_1h: int) -> float:
        """Return the cost in US dollars; `input` includes the cached and the written tokens."""
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
        above: number of prompt tokens -> rates of requests with longer prompts.
    """

    above: dict[int, Rates] = Field(default_factory=dict)

    def rates(self, input: int) -> Rates:
        """Return the rates for a prompt of `input` tokens."""
        exceeded = [limit for limit in self.above if input > limit]
        return self.above[max(exceeded)] if exceeded else self


class PriceTable(Record):
    """Prices by the provider's name of the model."""

    models: dict[str, Price]

    def find(self, model: str) -> Price | None:
        """Return a model's price, also for the name of a dated snapshot; None if it is unknown."""
        return self.models.get(model) or self.models.get(DATED.sub("", model))

    def cost(
        self, model: str, input: int, cached: int, output: int, cache_write: int = 0, cache_write_1h: int = 0
    ) -> float | None:
        """Return the cost of a request in US dollars, or None if the model's price is unknown.

        Args:
            model: the provider's name of the model.
            input: all prompt tokens, including cached and written ones.
            cached: prompt tokens read from the provider's cache.
            output: generated tokens, including reasoning.
            cache_write: prompt tokens written to the cache for five minutes.
            cache_write_1h: prompt tokens written to the cache for an hour.
        """
        price = self.find(model)
        if price is None:
            return None
        return price.rates(input).cost(input, cached, output, cache_write, cache_write_1h)


def user_file() -> Path:
    """Return the path of the user's price file, which need not exist."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "posttrainbench" / "prices.yaml"


def load_prices() -> PriceTable:
    """Return the shipped price table, extended and overridden by the user's catalogs and then by the user's file.

    Raises:
        InputError: a price file is unreadable or invalid, or a catalog is invalid.
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
    """Return the cost of a request by the current price table; see `PriceTable.cost`."""
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
