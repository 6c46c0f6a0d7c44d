"""Benchmark files that are published outside the Hub."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from hub_server import Hub, Repository, hub_server
from huggingface_hub import constants

from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.hub.web import fetch_url

DATA = b'{"answer": 1}\n' * 1000
SHA256 = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def web(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A server with one file, and an empty store."""
    monkeypatch.setenv("PTB_DATA", str(tmp_path))
    with hub_server() as server:
        server.repositories["model", "a/b"] = Repository("main", {"answers.jsonl": DATA})
        yield server


def address(web: Hub, file: str = "answers.jsonl") -> str:
    return f"{web.url}/a/b/resolve/main/{file}"


def test_file_arrives_once(web: Hub) -> None:
    told: list[tuple[str, int, int]] = []
    for _ in range(2):
        fetched = fetch_url(f"{address(web)}#sha256={SHA256}", lambda *news: told.append(news))
        assert (fetched.path.read_bytes(), fetched.sha256) == (DATA, SHA256)
    assert len(web.served) == 1
    assert sum(arrived for _, arrived, _ in told) == len(DATA)
    assert {(file, size) for file, _, size in told} == {("answers.jsonl", len(DATA))}


def test_damaged_file_in_the_store_is_fetched_again(web: Hub) -> None:
    pinned = f"{address(web)}#sha256={SHA256}"
    fetch_url(pinned, lambda *news: None).path.write_bytes(b"x")
    assert fetch_url(pinned, lambda *news: None).path.read_bytes() == DATA


@pytest.mark.parametrize("fragment", ["", "#sha256=", "#sha256=12", "#md5=12"])
def test_address_without_a_hash(fragment: str, web: Hub) -> None:
    with pytest.raises(InputError, match="has no hash"):
        fetch_url(address(web) + fragment, lambda *news: None)
    assert not web.served


def test_what_arrives_damaged_is_not_kept(web: Hub, tmp_path: Path) -> None:
    web.damaged = {"answers.jsonl"}
    with pytest.raises(InfrastructureError, match=r"The hash of \S+ is not"):
        fetch_url(f"{address(web)}#sha256={SHA256}", lambda *news: None)
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]


def test_broken_connection(web: Hub) -> None:
    web.cut = {"answers.jsonl": 100}
    with pytest.raises(InfrastructureError, match="check the network"):
        fetch_url(f"{address(web)}#sha256={SHA256}", lambda *news: None)
    assert fetch_url(f"{address(web)}#sha256={SHA256}", lambda *news: None).path.read_bytes() == DATA


def test_absent_file(web: Hub) -> None:
    with pytest.raises(InputError, match=r"absent\.jsonl no longer exists; import a copy"):
        fetch_url(f"{address(web, 'absent.jsonl')}#sha256={SHA256}", lambda *news: None)


def test_server_that_is_down(web: Hub) -> None:
    web.down = True
    with pytest.raises(InfrastructureError, match=r"Could not download \S+; pull again"):
        fetch_url(f"{address(web)}#sha256={SHA256}", lambda *news: None)


def test_offline(web: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    pinned = f"{address(web)}#sha256={SHA256}"
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match="HF_HUB_OFFLINE is set"):
        fetch_url(pinned, lambda *news: None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    fetch_url(pinned, lambda *news: None)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert fetch_url(pinned, lambda *news: None).path.read_bytes() == DATA
