"""A ChatGPT subscription: its token goes to the gateway, from the host's own login file."""

import base64
import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_models.login import LoginService, login_service
from posttrainbench import catalog
from posttrainbench.agents import Access
from posttrainbench.agents.codex import SUBSCRIPTION_URL, Codex
from posttrainbench.agents.codex_login import CLIENT, RENEWAL_VARIABLE, CodexLogin
from posttrainbench.agents.settings import read_settings
from posttrainbench.errors import InfrastructureError, InputError

HOURS = 3600.0


def token(**claims: Any) -> str:
    def part(content: dict[str, Any]) -> str:
        return base64.urlsafe_b64encode(json.dumps(content).encode()).decode().rstrip("=")

    return f"{part({'alg': 'none'})}.{part(claims)}.signature"


def login(folder: Path, key: str | None, refresh: str = "") -> CodexLogin:
    file = folder / "auth.json"
    tokens = {"access_token": key, "refresh_token": refresh, "account_id": "acc-1"} if key else None
    file.write_text(json.dumps({"OPENAI_API_KEY": None, "tokens": tokens}))
    config = Codex().gateway(catalog.agent_spec(f"codex/gpt-5.5?login=subscription&key_file={file}"))
    assert isinstance(config, CodexLogin)
    return config


def test_the_token_is_read_and_the_way_is_the_subscriptions(tmp_path: Path) -> None:
    key = token(exp=time.time() + 20 * HOURS)
    config = login(tmp_path, key)
    assert config.read_key() == key
    assert (config.base_url, config.bearer, config.models) == (SUBSCRIPTION_URL, True, ["gpt-5.5"])


def test_the_sandbox_gets_the_accounts_name_and_no_token(tmp_path: Path) -> None:
    key = token(exp=time.time() + 20 * HOURS)
    login(tmp_path, key, "never-shown")
    spec = catalog.agent_spec(f"codex/gpt-5.5?login=subscription&key_file={tmp_path / 'auth.json'}")
    settings, access = read_settings(spec, Codex.choices), Access("http://127.0.0.1:1", "run-token")
    agent = Codex()
    given = repr(agent.files(settings, access)) + repr(agent.environment(settings, access))
    assert "acc-1" in given
    assert "run-token" in given
    assert key not in given
    assert "never-shown" not in given


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (None, "does not contain a ChatGPT login; run `codex login`"),
        (token(exp=time.time() + 2 * HOURS), "more hours and a run needs 10"),
        (token(), "valid for 0.0 more hours"),
        ("no-web-token", "valid for 0.0 more hours"),
    ],
    ids=["none", "too short", "without an end", "no token"],
)
def test_a_login_that_will_not_do_is_refused_before_the_run(tmp_path: Path, key: str | None, said: str) -> None:
    with pytest.raises(InputError, match=said):
        login(tmp_path, key).read_key()


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoginService]:
    with login_service(token(exp=time.time() + 240 * HOURS)) as running:
        monkeypatch.setenv(RENEWAL_VARIABLE, running.url)
        yield running


def test_a_login_that_ends_soon_is_renewed_once_and_kept(service: LoginService, tmp_path: Path) -> None:
    config = login(tmp_path, token(exp=time.time() + 2 * HOURS), "first")
    assert config.read_key() != service.key  # looking asks nobody
    threads = [threading.Thread(target=config.renew) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert config.read_key() == service.key
    assert service.asked == [{"client_id": CLIENT, "grant_type": "refresh_token", "refresh_token": "first"}]
    file = tmp_path / "auth.json"
    kept = json.loads(file.read_text())
    assert kept["tokens"] == {
        "access_token": service.key,
        "refresh_token": "second",
        "account_id": "acc-1",
        "id_token": "new-id",
    }
    assert kept["last_refresh"].endswith("Z")
    assert file.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["auth.json"]


def test_a_login_that_lasts_is_left_alone(service: LoginService, tmp_path: Path) -> None:
    login(tmp_path, token(exp=time.time() + 20 * HOURS), "first").renew()
    assert service.asked == []


@pytest.mark.parametrize(
    ("status", "kind", "said"),
    [(401, InputError, "HTTP 401.*codex login"), (503, InfrastructureError, "could not be renewed")],
)
def test_a_login_that_cannot_be_renewed(
    status: int, kind: type[Exception], said: str, service: LoginService, tmp_path: Path
) -> None:
    service.status = status
    config = login(tmp_path, token(exp=time.time() + 2 * HOURS), "first")
    before = (tmp_path / "auth.json").read_bytes()
    with pytest.raises(kind, match=said):
        config.renew()
    assert (tmp_path / "auth.json").read_bytes() == before


def test_no_login_file(tmp_path: Path) -> None:
    config = Codex().gateway(catalog.agent_spec(f"codex/gpt-5.5?login=subscription&key_file={tmp_path}/none"))
    assert config is not None
    with pytest.raises(InputError, match="cannot be read"):
        config.read_key()
