"""The egress proxy's parts: addresses, the policy, the first message of TLS, the record."""

import asyncio
import json
import socket
import ssl
import subprocess
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from posttrainbench import catalog
from posttrainbench.gateway.egress.addresses import Addresses, BlockedError, is_public
from posttrainbench.gateway.egress.authority import Authority
from posttrainbench.gateway.egress.client_hello import is_incomplete, is_tls, read_client_hello
from posttrainbench.gateway.egress.connect_proxy import _host_of
from posttrainbench.gateway.egress.destinations import classify, matches_repository
from posttrainbench.gateway.egress.ledger import EgressExchange, Ledger
from posttrainbench.gateway.egress.policy import EgressPolicy
from posttrainbench.gateway.egress.sockets import receive_connection

OFF_LIMITS = """
    127.0.0.1 127.8.9.1 0.0.0.0 10.1.2.3 172.16.0.1 192.168.1.1 169.254.169.254 100.64.0.1 192.0.0.1 198.18.0.1
    224.0.0.1 240.0.0.1 255.255.255.255 :: ::1 fe80::1 fe80::1%eth0 fc00::1 fd00:ec2::254 ff02::1
    ::ffff:127.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe 2002:7f00:1:: 2002:a9fe:a9fe::
    2001:db8::1 not-an-address
    168.63.129.16 192.0.0.8 192.0.0.9 192.0.0.192 192.0.2.1 192.31.196.1 192.52.193.1 192.88.99.1 192.175.48.1
    198.51.100.7 203.0.113.9 100.100.100.200 0.1.2.3 ::ffff:168.63.129.16 64:ff9b::a83f:8110 2002:a83f:8110::1
    fec0::1 3fff::1 3fff:fff::1 5f00::1 100::1 100:0:0:1::1 64:ff9b:1::7f00:1 64:ff9b:1:fffe::a9fe:a9fe ::127.0.0.1
    ::ffff:0:127.0.0.1 2001::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:2::1 2001:10::1 2001:20::1 2620:4f:8000::1
    4000::1 2001:4860::5efe:7f00:1 2001:4860::200:5efe:a00:1
""".split()


@pytest.mark.parametrize("address", OFF_LIMITS)
def test_an_address_that_is_not_public_is_told(address: str) -> None:
    assert not is_public(address)


PUBLIC = """
    8.8.8.8 1.1.1.1 2606:4700::1111 ::ffff:8.8.8.8 64:ff9b::808:808 168.63.129.15 168.63.129.17 192.0.1.1 192.88.98.1
    192.88.100.1 198.17.0.1 198.20.0.1 100.63.0.1 100.128.0.1 172.15.0.1 172.32.0.1 223.255.255.1 2001:4860:4860::8888
    2001:200::1 2620:4f:8001::1 2a00:1450:4001::1 2002:808:808::1 3ffe::1 2001:4860::5efe:808:808
""".split()


@pytest.mark.parametrize("address", PUBLIC)
def test_a_public_address_is_told(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.1", "2130706433", "0x7f000001", "::1", "0"])
def test_every_way_to_write_loopback_is_blocked(host: str) -> None:
    with pytest.raises(BlockedError):
        asyncio.run(Addresses().lookup(host, 80))


@pytest.mark.parametrize(
    ("target", "host"),
    [
        ("HuggingFace.co.", "huggingface.co"),
        ("huggingf\u00aace.co", "huggingface.co"),  # a client that sends Latin-1
        ("huggingf\u00aace.co".encode().decode("latin-1"), "huggingface.co"),
        ("[2606:4700::1111]", "2606:4700::1111"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("b\u00fccher.example".encode().decode("latin-1"), "xn--bcher-kva.example"),
        ("a\u2028b.example".encode().decode("latin-1"), None),
    ],
)
def test_the_host_of_a_tunnel_is_the_one_that_is_resolved(target: str, host: str | None) -> None:
    assert _host_of(target) == host


def test_an_allowlist_compares_the_name_that_is_resolved() -> None:
    policy = EgressPolicy(network="allowlist", hosts=["huggingface.co"])
    assert policy.check_host("huggingf\u00aace.co") is None
    assert policy.check_host("huggingf\u00e4ce.co") is not None


def test_an_address_of_an_interface_is_the_hosts_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = "8.8.4.4"
    entry = SimpleNamespace(address=own)
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: {"eth0": [entry]})
    with pytest.raises(BlockedError):
        asyncio.run(Addresses().lookup(own, 443))
    with pytest.raises(BlockedError):
        Addresses().open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", (own, 443)))
    assert asyncio.run(Addresses().lookup("8.8.8.8", 443)) == [("8.8.8.8", 443)]


def test_the_address_that_is_connected_to_is_checked_once_more() -> None:
    """However an address came about: a name may resolve to another one at each question."""
    with pytest.raises(BlockedError):
        Addresses().open_socket((socket.AF_INET, socket.SOCK_STREAM, 0, "", ("169.254.169.254", 80)))


def test_an_allowlist_takes_hosts_and_all_below_them() -> None:
    policy = EgressPolicy(network="allowlist", hosts=["pypi.org", "*.hf.co"])
    assert policy.check_host("PyPI.org.") is None
    assert policy.check_host("cdn-lfs.hf.co") is None
    for host in ("hf.co", "evilpypi.org", "pypi.org.evil.example", "8.8.8.8"):
        denial = policy.check_host(host)
        assert denial is not None
        assert denial.status == 403
        assert host in denial.reason
        assert "pypi.org" in denial.reason


def test_what_a_run_withholds_says_why() -> None:
    policy = EgressPolicy(
        network="open",
        test_data=["openai/gsm8k:*test*"],
        instruct="Qwen/Qwen3-1.7B",
        base="Qwen/Qwen3-1.7B-Base",
        benchmark="gsm8k",
    )
    test = policy.check(classify("huggingface.co", "/datasets/openai/gsm8k/resolve/main/main/test-0.parquet"))
    instruct = policy.check(classify("huggingface.co", "/unsloth/Qwen3-1.7B-GGUF/resolve/main/q.gguf"))
    assert test is not None
    assert (test.status, "gsm8k" in test.reason, "evaluate.py" in test.reason) == (451, True, True)
    assert instruct is not None
    assert (instruct.status, "Qwen/Qwen3-1.7B" in instruct.reason) == (451, True)
    assert policy.check(classify("huggingface.co", "/Qwen/Qwen3-1.7B-Base/resolve/main/config.json")) is None
    assert policy.check(classify("huggingface.co", "/datasets/openai/gsm8k/resolve/main/main/train-0.parquet")) is None


ADDRESSES = EgressPolicy(
    network="open",
    test_data=["me/mine:*test*"],
    addresses=[r"https://data\.example\.org/mine/test\.csv", r"mine-v\d/question\.jsonl", r"https?://my\-host/x\?id="],
    benchmark="mine",
)


@pytest.mark.parametrize(
    ("host", "path", "status"),
    [
        ("data.example.org", "/mine/test.csv", 451),
        ("DATA.example.org.", "/x/..//mine/%74est.csv?download=1", 451),
        ("github.com", "/someone/else/raw/main/mine-v2/question.jsonl", 451),
        ("my-host", "/x?i%64=7", 451),
        ("api.github.com", "/repositories/7/contents/test.jsonl", 403),
        ("data.example.org", "/mine/train.csv", None),
        ("github.com", "/someone/else/raw/main/mine-v/question.jsonl", None),
        ("data.example.org.evil.example", "/mine/test.csv", None),
        ("example.org", "/", None),
    ],
)
def test_web_addresses_of_test_data_are_blocked(host: str, path: str, status: int | None) -> None:
    denial = ADDRESSES.check_address(host, path)
    assert (denial and denial.status) == status
    assert denial is None or "test data" in denial.reason
    assert EgressPolicy(network="open").check_address(host, path) is None


def test_hosts_of_blocked_addresses_are_inspected() -> None:
    assert [ADDRESSES.is_inspected(host) for host in ("data.example.org", "my-host", "example.org")] == [
        True,
        True,
        False,
    ]
    assert not EgressPolicy(network="open").is_inspected("data.example.org")


PUBLISHED = [name for name, facts in catalog.benchmarks().items() if not facts.mirrors and not facts.data]


@pytest.mark.parametrize("benchmark", PUBLISHED)
def test_every_published_benchmarks_test_data_is_known(benchmark: str) -> None:
    """By the very file that the benchmark itself is made from."""
    from posttrainbench.benchmarks.registry import load_benchmark
    from posttrainbench.benchmarks.test_sets import published_test_set

    patterns = [repository.pattern for repository in published_test_set(benchmark).repositories]
    source = load_benchmark(benchmark).sources["test"]
    for file in source.files:
        if not file.startswith("https://"):
            address = f"/datasets/{source.repository}/resolve/{source.revision}/{file}"
            assert matches_repository(classify("huggingface.co", address), patterns), address


def _hello(host: str | None, protocols: list[str]) -> bytes:
    context = ssl.create_default_context()
    context.check_hostname = False
    if protocols:
        context.set_alpn_protocols(protocols)
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=host)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


HELLOS = [("Hub.example", ["h2", "http/1.1"]), ("a.example", []), (None, ["h2"])]


@pytest.mark.parametrize(("host", "protocols"), HELLOS)
def test_a_real_clients_hello_is_read(host: str | None, protocols: list[str]) -> None:
    data = _hello(host, protocols)
    assert is_tls(data)
    assert not is_incomplete(data)
    hello = read_client_hello(data)
    assert hello is not None
    assert (hello.server, list(hello.protocols)) == (host.lower() if host else None, protocols)


def test_a_damaged_hello_is_none() -> None:
    data = _hello("a.example", ["h2"])
    for end in range(0, len(data) - 1, 7):
        assert is_incomplete(data[:end])
        read_client_hello(data[:end])  # whatever it makes of it, without an error
    for place in range(5, len(data), 3):
        read_client_hello(data[:place] + b"\xff" + data[place + 1 :])
    assert not is_tls(b"GET / HTTP/1.1")


def test_a_certificate_holds_before_openssl(tmp_path: Path) -> None:
    authority = Authority()
    (tmp_path / "ca.pem").write_text(authority.certificate)
    context = authority.context("hub.example")
    assert authority.context("hub.example") is context
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{server.getsockname()[1]}", "-CAfile"]
        options = ["-verify_return_error", "-verify_hostname", "hub.example", "-x509_strict", "-brief"]
        client = subprocess.Popen(
            [*command, tmp_path / "ca.pem", *options],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        with context.wrap_socket(server.accept()[0], server_side=True):
            said = client.communicate(timeout=30)[0].decode()
    assert "Verification: OK" in said


def test_a_record_is_written_once_and_without_keys(tmp_path: Path) -> None:
    file = tmp_path / "egress.jsonl"
    file.write_text('{"torn')
    ledger = Ledger(file, ["my-secret-value"])
    with ledger.record(
        EgressExchange("h.example", 443, "GET", "/x?token=my-secret-value&k=sk-ant-0123456789abcdefghij")
    ):
        pass
    left = ledger.record(EgressExchange("late.example", 443, "CONNECT"))
    left.__enter__().add_received(7)
    ledger.close()
    left.__exit__(None, None, None)
    torn, first, late = file.read_text().splitlines()
    assert torn == '{"torn'
    assert json.loads(first)["path"] == "/x?token=[redacted]&k=[redacted]"
    assert (json.loads(late)["received"], json.loads(late)["reason"]) == (7, "the run ended")


def test_only_stream_sockets_are_taken_over(tmp_path: Path) -> None:
    """What is handed over comes from the sandbox: it may be any descriptor, or none."""

    async def taken(*numbers: int) -> socket.socket | None:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            socket.send_fds(theirs, [b"c"], list(numbers))
            return await receive_connection(ours, 5)

    with (tmp_path / "file").open("w") as file, socket.socket(type=socket.SOCK_DGRAM) as datagram:
        assert asyncio.run(taken(file.fileno())) is None
        assert asyncio.run(taken(datagram.fileno())) is None
        assert asyncio.run(taken()) is None
    with socket.socket() as stream:
        found = asyncio.run(taken(stream.fileno()))
        assert found is not None
        found.close()
