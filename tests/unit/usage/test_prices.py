"""What a request costs, from the shipped table and from the user's."""

from pathlib import Path

import pytest
import yaml

from posttrainbench.errors import InputError
from posttrainbench.usage.prices import SHIPPED, PriceTable, cost, load_prices, user_file


@pytest.fixture(autouse=True)
def own_settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    file = user_file()
    file.parent.mkdir()
    return file


@pytest.mark.parametrize(
    ("model", "tokens", "dollars"),
    [
        # 1M fresh at 5, 1M cached at 0.5, 1M output at 25
        ("claude-opus-4-6", {"input": 2_000_000, "cached": 1_000_000, "output": 1_000_000}, 30.5),
        ("claude-opus-4-6", {"input": 1_000_000, "cached": 0, "output": 0, "cache_write": 1_000_000}, 6.25),
        ("claude-opus-4-6", {"input": 1_000_000, "cached": 0, "output": 0, "cache_write_1h": 1_000_000}, 10.0),
        ("gpt-5-mini", {"input": 1_000_000, "cached": 0, "output": 1_000_000}, 2.25),
        ("gpt-5-mini", {"input": 1_000_000, "cached": 1_000_000, "output": 0}, 0.025),
        # no price of its own for cached tokens: they cost what input does
        ("unpriced-cache", {"input": 10_000, "cached": 10_000, "output": 0}, 0.012),
        # a prompt of just 200,000 tokens is a short one, one more makes the whole request a long one
        ("gemini-2.5-pro", {"input": 200_000, "cached": 0, "output": 1_000}, 0.26),
        ("gemini-2.5-pro", {"input": 200_001, "cached": 0, "output": 1_000}, 0.5150025),
        ("unpriced-cache", {"input": 200_000, "cached": 0, "output": 0}, 0.6),
        ("claude-opus-4-6", {"input": 0, "cached": 0, "output": 0}, 0.0),
    ],
)
def test_costs(model: str, tokens: dict[str, int], dollars: float, own_settings: Path) -> None:
    above = "{32000: {input: 2.4, output: 12}, 128000: {input: 3, output: 15}}"
    own_settings.write_text(f"models: {{unpriced-cache: {{input: 1.2, output: 6, above: {above}}}}}")
    assert cost(model, **tokens) == pytest.approx(dollars)


@pytest.mark.parametrize(
    "name",
    ["gpt-5-mini-2025-08-07", "claude-haiku-4-5-20251001", "claude-opus-4-5@20251101", "gemini-2.5-flash-latest"],
)
def test_snapshots_cost_what_their_model_costs(name: str) -> None:
    assert load_prices().find(name) is not None


@pytest.mark.parametrize("name", ["gpt-5-minimal", "gpt-5-mini-2025", "my-model", "", "claude-opus-4-6-fast"])
def test_unknown_models_have_no_cost(name: str) -> None:
    assert cost(name, 1000, 0, 1000) is None


def test_a_users_file_adds_and_replaces(own_settings: Path) -> None:
    own_settings.write_text("models: {my-model: {input: 1, output: 2}, gpt-5-mini: {input: 100, output: 100}}")
    assert cost("my-model", 1_000_000, 0, 1_000_000) == 3.0
    assert cost("gpt-5-mini", 1_000_000, 0, 0) == 100.0
    assert cost("claude-opus-4-6", 1_000_000, 0, 0) == 5.0


def test_a_catalogs_file_adds_and_replaces_and_the_users_own_has_the_last_word(
    own_settings: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "catalog" / "agents").mkdir(parents=True)
    (tmp_path / "catalog" / "prices.yaml").write_text(
        "models: {my-model: {input: 1, output: 2}, gpt-5-mini: {input: 100, output: 100}}"
    )
    monkeypatch.setenv("PTB_CATALOG", str(tmp_path / "catalog"))
    assert (cost("my-model", 1_000_000, 0, 0), cost("gpt-5-mini", 1_000_000, 0, 0)) == (1.0, 100.0)
    own_settings.write_text("models: {my-model: {input: 7, output: 7}}")
    assert (cost("my-model", 1_000_000, 0, 0), cost("gpt-5-mini", 1_000_000, 0, 0)) == (7.0, 100.0)


@pytest.mark.parametrize(
    "content",
    [
        "models: {m: {input: -1, output: 2}}",
        "models: {m: {input: 1}}",
        "[1]",
        "models: 3",
        "{",
        "models: {m: {inpt: 1}}",
    ],
)
def test_a_users_mistake_is_told_with_the_file(content: str, own_settings: Path) -> None:
    own_settings.write_text(content)
    with pytest.raises(InputError, match=r"prices\.yaml"):
        load_prices()


def test_the_shipped_table_says_where_it_is_from() -> None:
    content = yaml.safe_load(SHIPPED.read_text())
    for source in content["sources"]:
        assert source["url"].startswith("https://")
        assert source["read"] is None or source["read"].isoformat() >= "2026-11-21"
        assert source["through"]
    table = PriceTable(models=content["models"])
    for name, price in table.models.items():
        assert price.cached is None or price.cached < price.input < price.output, name
        assert price.cache_write is None or price.cache_write >= price.input, name
