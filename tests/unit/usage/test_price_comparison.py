"""The shipped price table, compared with the maintained one of `genai-prices`."""

from datetime import UTC, date, datetime

import pytest
import yaml
from genai_prices import Usage, calc_price

from posttrainbench.usage.prices import SHIPPED, PriceTable

TABLE = yaml.safe_load(SHIPPED.read_text())
PRICES = PriceTable.model_validate({"models": TABLE["models"]})
PROVIDERS = {
    "claude": "anthropic",
    "gpt": "openai",
    "gemini": "google",
    "glm": "zai",
    "kimi": "moonshotai",
    "MiniMax": "minimax",
}
"""Start of a model's name -> its provider in `genai-prices`."""

COMPARED_ON = datetime(2026, 11, 29, tzinfo=UTC)
"""Prices change over time: both tables are compared as of this day."""

EXCEPTIONS = {
    ("claude-sonnet-4-5", 300_000): "prompts above 200,000 tokens were retired on 2026-04-30; such requests now fail",
}
"""(model, prompt tokens) -> why the tables differ."""

KINDS = {
    "input": "input_tokens",
    "cached": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "cache_write_1h": "cache_write_1h_tokens",
    "output": "output_tokens",
}


def costs(model: str, prompt: int, kind: str) -> tuple[float, float]:
    """Return what the two tables say that a request costs: a whole prompt of one kind, or fresh with some output."""
    tokens = {"input": prompt, "cached": 0, "output": 0} | {kind: prompt if kind != "output" else 1000}
    ours = PRICES.cost(model, **tokens)
    assert ours is not None
    provider = next(provider for start, provider in PROVIDERS.items() if model.startswith(start))
    usage = {KINDS[each]: count for each, count in tokens.items() if count}
    if kind == "cache_write_1h":
        usage["cache_write_tokens"] = prompt
    theirs = calc_price(Usage(**usage), model, provider_id=provider, genai_request_timestamp=COMPARED_ON)
    return ours, float(theirs.total_price)


@pytest.mark.parametrize("model", PRICES.models)
def test_prices_agree_with_a_maintained_table(model: str) -> None:
    differing = []
    for prompt in (100_000, 300_000):
        for kind in KINDS:
            ours, theirs = costs(model, prompt, kind)
            if (ours != pytest.approx(theirs)) != ((model, prompt) in EXCEPTIONS):
                differing.append((prompt, kind, ours, theirs))
    assert differing == []


def test_every_group_of_prices_has_a_source_and_the_day_on_which_it_was_read() -> None:
    for source in TABLE["sources"]:
        assert source["url"].startswith("https://")
        assert isinstance(source["read"], date), source["what"]
        assert source["through"]
