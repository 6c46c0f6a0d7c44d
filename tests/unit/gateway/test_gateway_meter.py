"""The gateway's meter: when a budget is used up, and what a restart counts."""

from pathlib import Path

import pytest

from posttrainbench.gateway.admit import RefusedError
from posttrainbench.gateway.meter import Meter
from posttrainbench.usage.calls import ModelCall, spending
from posttrainbench.usage.prices import PriceTable

PRICES = PriceTable.model_validate({"models": {"m": {"input": 1, "output": 2}}})


def call(input: int = 0, output: int = 0, **fields: object) -> ModelCall:
    values = {"time": 0, "provider": "p", "model": "m", "endpoint": "messages", "seconds": 1, "status": 200}
    tokens = {"input": input, "output": output, "cost": PRICES.cost("m", input, 0, output), "streamed": False}
    return ModelCall.model_validate({**values, **tokens, **fields})


def test_a_token_budget_is_used_up_exactly(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "usage.jsonl", PRICES, max_tokens=10, max_dollars=None)
    meter.check("m")
    meter.write(call(input=6, output=3))
    meter.check("m")
    meter.write(call(input=1))
    with pytest.raises(RefusedError, match=r"10 tokens.* is used up") as refused:
        meter.check("m")
    assert refused.value.kind == "budget"


def test_a_dollar_budget_is_used_up_exactly(tmp_path: Path) -> None:
    meter = Meter(tmp_path / "usage.jsonl", PRICES, max_tokens=None, max_dollars=2)
    meter.write(call(input=999_999, cost=1.5))
    meter.check("m")
    meter.write(call(output=250_000))
    with pytest.raises(RefusedError, match=r"2\.00 US dollars.* is used up") as refused:
        meter.check("m")
    assert refused.value.kind == "budget"


def test_a_dollar_budget_requires_a_price(tmp_path: Path) -> None:
    Meter(tmp_path / "tokens.jsonl", PRICES, max_tokens=10, max_dollars=None).check("unknown")
    with pytest.raises(RefusedError, match="price of 'unknown' is unknown") as refused:
        Meter(tmp_path / "dollars.jsonl", PRICES, max_tokens=None, max_dollars=2).check("unknown")
    assert refused.value.kind == "refused"


def test_a_restarted_meter_counts_what_the_file_contains(tmp_path: Path) -> None:
    file = tmp_path / "usage.jsonl"
    Meter(file, PRICES, 10, None).write(call(input=10))
    with file.open("a") as torn:
        torn.write('{"time": 1')
    meter = Meter(file, PRICES, 10, None)
    with pytest.raises(RefusedError):
        meter.check("m")
    meter.write(call(output=1))
    assert spending(file).tokens == 11


def test_refused_requests_are_free_and_their_record_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("posttrainbench.gateway.meter.MAX_LOGGED_REFUSALS", 2)
    file = tmp_path / "usage.jsonl"
    meter = Meter(file, PRICES, 10, None)
    for _ in range(3):
        meter.write(call(input=100, refused=True))
    meter.check("m")
    meter.write(call(input=1))
    assert len(file.read_text().splitlines()) == 3
    assert spending(file).tokens == 1
