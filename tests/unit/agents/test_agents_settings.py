"""Names of agents with models: what they mean, and what is refused."""

from pathlib import Path

import pytest

from posttrainbench import catalog
from posttrainbench.agents import NO_ACCESS, load_scaffold
from posttrainbench.agents.claude_code import ClaudeCode
from posttrainbench.agents.gemini_cli import GeminiCli
from posttrainbench.agents.providers import PROVIDERS
from posttrainbench.agents.settings import Choices, Settings, read_settings
from posttrainbench.errors import InputError
from posttrainbench.gateway import GatewayConfig
from posttrainbench.gateway.admit import RefusedError, admit
from posttrainbench.gateway.protocols import PROTOCOLS
from posttrainbench.records import AgentSpec
from posttrainbench.usage.prices import load_prices

OPEN = Choices(provider=None, protocols={"": "openai"}, efforts=("low", "high"))


def settings(name: str, choices: Choices = OPEN) -> Settings:
    return read_settings(catalog.agent_spec(name), choices)


def gateway(name: str) -> GatewayConfig:
    spec = catalog.agent_spec(name)
    config = load_scaffold(spec.scaffold).gateway(spec)
    assert config is not None
    return config


@pytest.mark.parametrize(
    ("name", "protocol", "models", "url", "variable", "bearer"),
    [
        (
            *("claude-code/claude-opus-4-6", "anthropic", ["claude-opus-4-6"], "https://api.anthropic.com"),
            *("ANTHROPIC_API_KEY", False),
        ),
        ("claude-code/zai/glm-5", "anthropic", ["glm-5"], "https://api.z.ai/api/anthropic", "ZAI_API_KEY", True),
        ("codex/gpt-5.2?effort=high", "openai", ["gpt-5.2"], "https://api.openai.com/v1", "OPENAI_API_KEY", False),
        ("opencode/zai/glm-5", "openai", ["glm-5"], "https://api.z.ai/api/paas/v4", "ZAI_API_KEY", False),
        (
            *("opencode/minimax/MiniMax-M2", "anthropic", ["MiniMax-M2"], "https://api.minimax.io/anthropic"),
            *("MINIMAX_API_KEY", True),
        ),
        (
            *("gemini-cli/gemini-3.1-pro-preview", "gemini", ["gemini-3.1-pro-preview"]),
            *("https://generativelanguage.googleapis.com", "GEMINI_API_KEY", False),
        ),
        (
            *("react/openrouter/qwen/qwen3-max", "openai", ["qwen/qwen3-max"], "https://openrouter.ai/api/v1"),
            *("OPENROUTER_API_KEY", False),
        ),
        (
            *("claude-code/my-model?base_url=http://box:8000&key_variable=BOX", "anthropic", ["my-model"]),
            *("http://box:8000", "BOX", True),
        ),
    ],
)
def test_a_name_says_where_the_model_is(
    name: str, protocol: str, models: list[str], url: str, variable: str, bearer: bool
) -> None:
    config = gateway(name)
    assert (config.protocol, config.models, config.base_url) == (protocol, models, url)
    assert (config.key_variable, config.bearer) == (variable, bearer)


def test_a_model_is_no_pattern() -> None:
    config = gateway("react/openrouter/a*[b]")
    endpoint = PROTOCOLS["openai"].endpoint("/v1/chat/completions")
    assert endpoint is not None
    assert admit(endpoint, b'{"model": "a*[b]"}', config.models).model == "a*[b]"
    with pytest.raises(RefusedError, match="not allowed"):
        admit(endpoint, b'{"model": "axb"}', config.models)


def test_the_longer_context_of_claude_is_no_part_of_the_name() -> None:
    assert gateway("claude-code/claude-opus-4-6[1m]").models == ["claude-opus-4-6"]


def test_all_settings_are_read() -> None:
    read = settings(
        "react/zai/glm-5?effort=low&reprompt=30&arguments=--a 'b c'&max_tokens=1e6&max_dollars=2.5"
        "&key_file=/secret&path=/bin/x&version=1.2.3"
    )
    assert (read.effort, read.reprompt, read.arguments) == ("low", 1800.0, ["--a", "b c"])
    assert (read.max_tokens, read.max_dollars, read.version) == (1_000_000, 2.5, "1.2.3")
    assert (read.key_file, read.path) == (Path("/secret"), Path("/bin/x"))
    config = read.gateway()
    assert (config.max_tokens, config.max_dollars, config.key_file) == (1_000_000, 2.5, Path("/secret"))


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("react", "a model is required; write react/PROVIDER/MODEL"),
        ("react/glm-5", "the provider of `glm-5` is unknown; write PROVIDER/MODEL with one of: anthropic,"),
        ("react/nowhere/glm-5", "the provider of `nowhere/glm-5` is unknown"),
        ("react/zai/glm-5?colour=red", "`colour` is not a setting of react; choose from: model,"),
        ("react/zai/glm-5?effort=huge", "effort must be one of low, high, not `huge`"),
        ("react/zai/glm-5?reprompt=soon", "reprompt must be a number above zero"),
        ("react/zai/glm-5?max_tokens=0", "max_tokens must be a number above zero"),
        ("react/zai/glm-5?max_dollars=inf", "max_dollars must be a number above zero"),
        ("react/zai/glm-5?arguments='", "arguments cannot be read"),
        ("react/zai/glm-5?login=subscription", "`login` is not a setting of react"),
    ],
)
def test_what_is_wrong_is_said(name: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        settings(name)
    assert said in str(refused.value)
    assert str(refused.value).count("\n") == 0


@pytest.mark.parametrize("more", ["", "&effort=huge", "&colour=red", "&nothing"])
@pytest.mark.parametrize(
    "url",
    [
        *("https://me:secret@host/v1", "http://secret@host", "https://:secret@host", "me:secret@host/v1"),
        *("HTTPS://me:secret@host", "https:/me:secret@host", "https://me:sec/ret@host", "https://host/v1?key=secret"),
    ],
)
def test_a_password_in_the_base_url_is_refused_and_not_repeated(url: str, more: str) -> None:
    with pytest.raises(InputError, match="must not contain a user, a password or a query") as refused:
        settings(f"react/m?base_url={url}{more}")
    assert "secret" not in str(refused.value)
    with pytest.raises(InputError, match="must not contain a user, a password or a query") as refused:
        read_settings(AgentSpec(name=f"react?{url}", scaffold="react", settings={"model": "m", "base_url": url}), OPEN)
    assert "secret" not in str(refused.value)


def test_a_password_in_another_setting_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError, match="Agent `react`: base_url and other URLs") as refused:
        settings("react/m?base_url=https://host/v1&arguments=--proxy http://me:secret@proxy:3128")
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["https://host/v1/@me", "http://127.0.0.1:8000/v1", "http://[::1]:8000", "http://[::1]"]
)
def test_a_base_url_without_a_password_is_accepted(url: str) -> None:
    assert settings(f"react/m?base_url={url}&arguments=--mail me@host").base_url == url


def test_a_scaffold_that_cannot_speak_to_a_provider_says_so() -> None:
    with pytest.raises(InputError, match="gemini-cli does not support zai"):
        gateway("gemini-cli/zai/glm-5")
    with pytest.raises(InputError, match="claude-code does not support openai"):
        gateway("claude-code/openai/gpt-5.2")


def test_agent_names_with_a_superfluous_or_missing_model() -> None:
    with pytest.raises(InputError, match="`recipe-noop` does not take a model"):
        catalog.agent_spec("recipe-noop/gpt-5.2")
    with pytest.raises(InputError, match="the model is missing; write `codex/MODEL`"):
        catalog.agent_spec("codex/")
    with pytest.raises(InputError, match="Unknown agent `codx`; did you mean `codex`"):
        catalog.agent_spec("codx/gpt-5.2")


def test_every_provider_can_be_reached_by_some_protocol() -> None:
    for provider in PROVIDERS.values():
        for protocol, url in provider.urls.items():
            GatewayConfig(protocol=protocol, models=["m"], base_url=url).check(load_prices())
            assert url.startswith("https://")


def test_the_prompt_is_never_an_argument() -> None:
    """Whatever is started takes its prompt from standard input, at first and when it goes on."""
    read = settings("claude-code/claude-opus-4-6?effort=max", ClaudeCode.choices)
    first, later = (ClaudeCode().arguments(read, resume=resume) for resume in (False, True))
    assert first[: first.index("--session-id")] == later[: later.index("--resume")]
    assert "--print" in first


def test_old_models_of_google_have_no_effort() -> None:
    agent = GeminiCli()
    with pytest.raises(InputError, match=r"does not support a reasoning effort for gemini-2\.5-pro"):
        agent.files(settings("gemini-cli/gemini-2.5-pro?effort=low", agent.choices), NO_ACCESS)
