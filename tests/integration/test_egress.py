"""The egress proxy behind a real sandbox without network, before servers of a small internet on loopback."""

import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from egress_lab import COMMIT, PORT, Inside, Lab, inside, lab
from posttrainbench.errors import InfrastructureError
from posttrainbench.gateway.egress import EgressPolicy

pytestmark = pytest.mark.sandbox

NAMES = [
    *("huggingface.co", "hf.co", "api.openai.com", "github.com", "raw.githubusercontent.com"),
    *("files.example", "pypi.org", "files.pythonhosted.org", "registry.npmjs.org", "evil.example"),
]
WITHHELD = EgressPolicy(
    network="open",
    test_data=["openai/gsm8k:*test*"],
    instruct="Qwen/Qwen3-1.7B",
    base="Qwen/Qwen3-1.7B-Base",
    benchmark="gsm8k",
)


@pytest.fixture(scope="module")
def internet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with lab(tmp_path_factory.mktemp("lab"), NAMES) as servers:
        yield servers


@pytest.fixture
def box(tmp_path: Path, internet: Lab) -> Iterator[Inside]:
    with inside(tmp_path, internet, keys=["a-planted-secret-value"]) as found:
        yield found


def test_a_hub_file_is_recorded_with_its_repository(box: Inside) -> None:
    path = "/datasets/a/b/resolve/main/train.parquet"
    said = box.run("curl", "-sSf", f"https://huggingface.co{path}")
    assert json.loads(said.stdout)["path"] == path
    (request,) = box.requests()
    del request["time"], request["seconds"]
    assert request == {
        **{"host": "huggingface.co", "port": 443, "method": "GET", "path": path, "status": 200},
        **{"sent": 0, "received": len(said.stdout), "decision": "allowed", "reason": ""},
        **{"kind": "dataset", "repo": "a/b", "revision": "main", "file": "train.parquet"},
    }


def test_other_hosts_are_tunnelled_with_their_own_certificate(box: Inside, internet: Lab) -> None:
    (box.work / "root.pem").write_text(internet.root)
    said = box.run("curl", "-sSf", "--cacert", "root.pem", "https://files.example/large/3000000", "-o", "got")
    assert said.returncode == 0, said.stderr
    assert (box.work / "got").stat().st_size == 3_000_000
    (request,) = box.requests()
    assert (request["method"], request["path"], request["status"]) == ("CONNECT", None, 200)
    assert request["received"] >= 3_000_000
    assert request["sent"] > 0
    refused = box.run("curl", "-sS", "--cacert", "root.pem", "https://huggingface.co/x")
    assert "certificate" in refused.stderr  # there the proxy's own comes


def test_a_hosted_models_answer_is_recorded(box: Inside) -> None:
    said = box.run("curl", "-sS", "-d", "{}", "https://api.openai.com/status/401")
    assert said.stdout == "as you wish"
    (request,) = box.requests()
    assert (request["kind"], request["method"], request["status"], request["sent"]) == ("hosted_model", "POST", 401, 2)


def test_plain_http_is_recorded_too(box: Inside, internet: Lab) -> None:
    said = box.run("curl", "-sSf", "http://plain.example/x?y=1")
    assert json.loads(said.stdout)["headers"]["Host"] == "plain.example"
    tunnelled = box.run("curl", "-sSf", "--proxytunnel", "http://plain.example/t")
    assert json.loads(tunnelled.stdout)["path"] == "/t"
    first, second = box.requests(2)
    assert (first["method"], first["path"], first["status"]) == ("GET", "/x?y=1", 200)
    assert second["method"] == "CONNECT"


def test_bodies_and_heads_pass_as_they_are(box: Inside) -> None:
    (box.work / "body").write_bytes(os.urandom(3_000_000))
    put = box.run("curl", "-sSf", "-T", "body", "https://huggingface.co/put")
    assert json.loads(put.stdout)["body"] == 3_000_000
    chunked = box.run("curl", "-sSf", "-T", "body", "-H", "Transfer-Encoding: chunked", "https://hf.co/put")
    assert json.loads(chunked.stdout)["body"] == 3_000_000
    expecting = box.run("curl", "-sSf", "-T", "body", "-H", "Expect: 100-continue", "https://hf.co/put")
    assert json.loads(expecting.stdout)["body"] == 3_000_000
    head = box.run("curl", "-sSfI", "https://hf.co/large/77").stdout
    assert "Content-Length: 77" in head
    missing = box.run("curl", "-sS", "-w", " %{http_code}", "https://hf.co/status/404").stdout
    assert missing.endswith(" 404")


def test_websockets_pass_seen_and_unseen(box: Inside) -> None:
    source = """
import asyncio, aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        for url in ("https://api.openai.com/v1/realtime", "http://plain.example/ws"):
            async with session.ws_connect(url) as ws:
                print((await ws.receive()).data)
                await ws.send_str("ping back")
                print((await ws.receive()).data)
asyncio.run(main())
"""
    said = box.python(source)
    assert said.stdout.split("\n")[:4] == ["hello", "ping back", "hello", "ping back"], said.stderr
    assert [request["status"] for request in box.requests(2)] == [101, 101]


def test_what_the_run_blocks_is_451_with_a_reason(tmp_path: Path, internet: Lab) -> None:
    asked = len(internet.tls.asked)
    fetch = "from huggingface_hub import hf_hub_download as d\nd('Qwen/Qwen3-1.7B', 'config.json')"
    with inside(tmp_path, internet, WITHHELD) as box:
        client = box.python(fetch)
        box.egress.ledger.write_text("")
        test = box.run("curl", "-sSi", "https://huggingface.co/datasets/openai/gsm8k/resolve/main/main/test-0.parquet")
        instruct = box.run("curl", "-sS", "https://huggingface.co/Qwen/Qwen3-1.7B/resolve/main/model.safetensors")
        other = box.run("curl", "-sSf", "https://hf.co/datasets/openai/gsm8k/resolve/main/main/train-0.parquet")
        base = box.run("curl", "-sSf", "https://huggingface.co/Qwen/Qwen3-1.7B-Base/resolve/main/config.json")
        lines = box.requests(4)
    assert "451" in test.stdout
    assert "blocks the test data of gsm8k" in test.stdout
    assert "blocks Qwen/Qwen3-1.7B" in instruct.stdout
    assert "blocks Qwen/Qwen3-1.7B" in client.stderr  # the Hub's client shows it too
    assert (other.returncode, base.returncode) == (0, 0)
    assert [line["decision"] for line in lines] == ["denied", "denied", "allowed", "allowed"]
    assert [line["status"] for line in lines] == [451, 451, 200, 200]
    assert "This run blocks" in lines[0]["reason"]
    left = [path for _, _, path, _ in internet.tls.asked[asked:]]
    assert not [path for path in left if "test-0" in path or "Qwen3-1.7B/" in path]


def test_an_allowlist_lets_only_its_hosts_through(tmp_path: Path, internet: Lab) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "work" / "root.pem").write_text(internet.root)
    with inside(tmp_path, internet, EgressPolicy(network="allowlist", hosts=["files.example"])) as box:
        allowed = box.run("curl", "-sSf", "--cacert", "root.pem", "https://files.example/x")
        other = box.python(
            "import urllib.request as r\ntry: r.urlopen('https://evil.example/x')\nexcept OSError as e: print(e)"
        )
        plain = box.run("curl", "-sS", "http://plain.example/x")
        lines = box.requests(3)
    assert allowed.returncode == 0, allowed.stderr
    for said in (other.stdout, plain.stdout):
        assert "network policy of this run does not include" in said
        assert "files.example" in said
    assert [line["status"] for line in lines] == [200, 403, 403]
    assert [line["decision"] for line in lines] == ["allowed", "denied", "denied"]


SSRF = [
    *("http://127.0.0.1:{port}/", "http://localhost:{port}/", "http://2130706433:{port}/", "http://127.1:{port}/"),
    *("http://[::1]:{port}/", "http://[::ffff:127.0.0.1]:{port}/", "http://0.0.0.0:{port}/", "http://{own}:{port}/"),
    *("http://169.254.169.254/latest/meta-data/", "http://[fd00:ec2::254]/", "http://10.0.0.1/", "http://192.168.0.1/"),
    *("https://127.0.0.1:{port}/", "https://169.254.169.254/"),
]


def test_the_host_and_its_networks_are_off_limits(box: Inside) -> None:
    with socket.create_server(("0.0.0.0", 0)) as victim:  # noqa: S104  (on every address of the host)
        port = victim.getsockname()[1]
        found = [entry.address for entries in psutil.net_if_addrs().values() for entry in entries if entry.family == 2]
        urls = [url.format(port=port, own=found[0]) for url in SSRF]
        script = 'for url in "$@"; do curl -sS --noproxy "" -m 20 "$url" 2>&1 | tr "\\n" " "; echo; done'
        said = box.run("sh", "-c", script, "sh", *urls)
        victim.settimeout(0.2)
        with pytest.raises(TimeoutError):
            victim.accept()
    for url, answer, request in zip(urls, said.stdout.splitlines(), box.requests(len(urls)), strict=True):
        assert "off limits" in answer or "response 403" in answer, (url, answer)
        assert (request["decision"], request["status"]) == ("denied", 403), url
        assert "off limits" in request["reason"]


def test_a_redirect_to_the_host_is_followed_by_nobody(box: Inside) -> None:
    said = box.run("curl", "-sSL", "--noproxy", "", "https://huggingface.co/redirect")
    assert box.requests(2)[0]["status"] == 302
    assert box.requests(2)[1]["host"] == "files.example"
    assert said.returncode != 0 or "here" in said.stdout


def test_another_servers_name_in_the_handshake_is_denied(box: Inside, internet: Lab) -> None:
    """Or one allowed host would be the door to all that its network of servers has."""
    asked = len(internet.tls.asked)
    source = f"""
import socket, ssl
for host, name in (("files.example", "evil.example"), ("huggingface.co", "evil.example")):
    plain = socket.create_connection(("127.0.0.1", {PORT}))
    plain.sendall(f"CONNECT {{host}}:443 HTTP/1.1\\r\\n\\r\\n".encode())
    assert b" 200 " in plain.recv(1000)
    context = ssl._create_unverified_context()
    try:
        context.wrap_socket(plain, server_hostname=name).sendall(b"GET / HTTP/1.1\\r\\nHost: evil.example\\r\\n\\r\\n")
        print("through")
    except OSError:
        print("closed")
"""
    said = box.python(source)
    assert said.stdout.split() == ["closed", "closed"], said.stderr
    assert [request["decision"] for request in box.requests(2)] == ["denied", "denied"]
    assert all("must be for" in request["reason"] for request in box.requests(2))
    assert len(internet.tls.asked) == asked


def test_grpc_to_a_hosted_model_is_tunnelled(box: Inside, internet: Lab) -> None:
    """Its clients speak HTTP/2 alone; which host it is says enough."""
    (box.work / "root.pem").write_text(internet.root)
    source = f"""
import socket, ssl
for host in ("api.openai.com", "huggingface.co"):
    plain = socket.create_connection(("127.0.0.1", {PORT}))
    plain.sendall(f"CONNECT {{host}}:443 HTTP/1.1\\r\\n\\r\\n".encode())
    assert b" 200 " in plain.recv(1000)
    context = ssl.create_default_context(cafile="root.pem")
    context.set_alpn_protocols(["h2"])
    try:
        context.wrap_socket(plain, server_hostname=host).unwrap()
    except ssl.SSLCertVerificationError:
        print("looked into")
    except OSError:
        print("tunnelled")
    else:
        print("tunnelled")
"""
    said = box.python(source)
    assert said.stdout.splitlines() == ["tunnelled", "looked into"], said.stderr
    lines = {request["host"]: request for request in box.requests(2)}
    assert lines["api.openai.com"]["kind"] == "hosted_model"
    assert lines["api.openai.com"]["received"] > 0


def test_the_host_header_is_that_of_the_connection(box: Inside, internet: Lab) -> None:
    box.run("curl", "-sS", "-H", "Host: evil.example", "https://huggingface.co/x")
    assert internet.tls.asked[-1][1] == "huggingface.co"


def test_keys_are_not_written_down(box: Inside) -> None:
    key = "sk-ant-0123456789abcdefghijkl"
    url = f"https://huggingface.co/x?a=a-planted-secret-value&b={key}"
    box.run("curl", "-sS", "-H", f"Authorization: Bearer {key}", url)
    box.run("curl", "-sS", "http://a-planted-secret-value.example/")
    assert len(box.requests(2)) == 2
    written = box.egress.ledger.read_text() + box.egress.log.read_text()
    assert "a-planted-secret-value" not in written
    assert key not in written
    assert "[redacted]" in written


def test_the_authoritys_key_is_nowhere(box: Inside) -> None:
    box.run("curl", "-sS", "https://huggingface.co/x")
    said = box.run("sh", "-c", "cat /run/ptb/*.pem; env; cat /proc/*/environ")
    assert "BEGIN CERTIFICATE" in said.stdout
    assert "PRIVATE KEY" not in said.stdout
    written = [file for file in box.egress.socket.parent.rglob("*") if file.is_file()]
    assert written
    assert not any(b"PRIVATE" in file.read_bytes() for file in written)


def test_a_large_download_takes_no_memory(box: Inside, internet: Lab) -> None:
    (box.work / "root.pem").write_text(internet.root)
    process = psutil.Process(box.egress.child.popen.pid)
    for url in ("https://huggingface.co/large/{}", "https://files.example/large/{}", "http://plain.example/large/{}"):
        peaks = []
        for size in (10**6, 4 * 10**8):
            options = ["--cacert", "root.pem"] if "files" in url else []
            said = box.run("curl", "-sSf", *options, "-o", "/dev/null", url.format(size))
            assert said.returncode == 0, said.stderr
            peaks.append(process.memory_info().rss)
        assert peaks[1] - peaks[0] < 50 * 10**6


def test_a_client_that_reads_slowly_is_waited_for(box: Inside) -> None:
    """What it has not read stays with the server, and not in the proxy's memory."""
    source = """
import time, urllib.request
answer = urllib.request.urlopen("https://huggingface.co/large/300000000")
answer.read(1000); print("reading", flush=True); time.sleep(1.5)
"""
    process = psutil.Process(box.egress.child.popen.pid)
    box.run("curl", "-sS", "https://huggingface.co/x")
    before = process.memory_info().rss
    said = box.python(source)
    assert said.stdout == "reading\n", said.stderr
    assert process.memory_info().rss - before < 50 * 10**6
    assert box.requests(2)[1]["received"] < 100 * 10**6


def test_many_connections_at_once_are_all_served(box: Inside) -> None:
    source = """
import asyncio, aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        async def one(n):
            async with session.get(f"https://huggingface.co/{n}") as answer:
                return (await answer.json())["path"]
        paths = await asyncio.gather(*(one(n) for n in range(300)))
    print(len(set(paths)))
asyncio.run(main())
"""
    said = box.python(source)
    assert said.stdout == "300\n", said.stderr
    assert len(box.requests(300)) == 300


def test_nonsense_harms_nobody(box: Inside) -> None:
    source = f"""
import os, socket
for text in (b"", b"\\r\\n\\r\\n", b"CONNECT x HTTP/1.1\\r\\n\\r\\n", b"CONNECT h:99999 HTTP/1.1\\r\\n\\r\\n",
             os.urandom(3000), b"GET / HTTP/1.1\\r\\n\\r\\n", b"PRI * HTTP/2.0\\r\\n\\r\\n", b"A" * 100000,
             b"GET http:// HTTP/1.1\\r\\n\\r\\n",
             b"CONNECT huggingface.co:443 HTTP/1.1\\r\\n\\r\\n\\x16\\x03\\x01\\x00\\x05hello",
             b"GET http://\\xff\\xfe/ HTTP/1.1\\r\\n\\r\\n", b"CONNECT " + b"a" * 300 + b".b:443 HTTP/1.1\\r\\n\\r\\n"):
    with socket.create_connection(("127.0.0.1", {PORT})) as it:
        try:
            it.sendall(text)
            it.shutdown(socket.SHUT_WR)
            it.recv(1000)
        except OSError:
            pass
channel = socket.socket(socket.AF_UNIX)
channel.connect("/run/ptb/egress.sock")
socket.send_fds(channel, [b"c"], [channel.fileno(), 0, 1, 2])
print("done")
"""
    assert box.python(source).stdout == "done\n"
    assert json.loads(box.run("curl", "-sSf", "https://hf.co/after").stdout)["path"] == "/after"
    assert "Traceback" not in box.egress.log.read_text()


def test_flags_of_a_shared_socket_cannot_stop_the_proxy(box: Inside) -> None:
    """The sandbox keeps a copy of each connection, and may make it block, or take what has come by it."""
    source = """
import socket, time, urllib.request
channel = socket.socket(socket.AF_UNIX)
listener = socket.create_server(("127.0.0.1", 0))
mine = socket.create_connection(listener.getsockname())
theirs = listener.accept()[0]
channel.connect("/run/ptb/egress.sock")
socket.send_fds(channel, [b"c"], [theirs.fileno()])
mine.sendall(b"CONNECT huggingface.co:443 HTTP/1.1\\r\\n\\r\\n")
mine.recv(100)
for n in range(2000):
    theirs.setblocking(True)
    mine.sendall(b"x")
    theirs.recv(1, socket.MSG_DONTWAIT) if n % 2 else None
print(urllib.request.urlopen("https://hf.co/after", timeout=20).status)
"""
    source = source.replace("theirs.recv(1, socket.MSG_DONTWAIT) if n % 2 else None", STEAL)
    assert box.python(source).stdout == "200\n"


STEAL = """try: theirs.recv(1, socket.MSG_DONTWAIT)
    except BlockingIOError: pass"""


def test_a_request_that_cannot_be_written_down_ends_the_proxy(tmp_path: Path, internet: Lab) -> None:
    """Or a full disk would be a way to go unseen."""
    (tmp_path / "egress.jsonl").symlink_to("/dev/full")
    with inside(tmp_path, internet) as box:
        box.run("curl", "-sS", "https://hf.co/x", seconds=20)
        box.egress.child.popen.wait(20)
        with pytest.raises(InfrastructureError):
            box.egress.child.check()
        assert "could not be logged" in box.egress.log.read_text()


def test_a_killed_proxy_is_the_machines_fault(tmp_path: Path, internet: Lab) -> None:
    with inside(tmp_path, internet) as box:
        box.egress.child.check()
        os.kill(box.egress.child.popen.pid, signal.SIGKILL)
        box.egress.child.popen.wait()
        with pytest.raises(InfrastructureError) as failed:
            box.egress.child.check()
        assert failed.value.cause == "egress_failed"
        assert box.run("curl", "-sS", "https://hf.co/x", seconds=20).returncode != 0


# --- programs ------------------------------------------------------------------------------------------------------

PYTHON = {
    "urllib": "import urllib.request as r; print(r.urlopen(URL).read().decode())",
    "requests": "import requests; print(requests.get(URL).text)",
    "httpx": "import httpx; print(httpx.get(URL).text)",
    "httpx2": "import httpx2; print(httpx2.get(URL).text)",
    "aiohttp": """
import asyncio, aiohttp
async def main():
    async with aiohttp.ClientSession(trust_env=True) as session:
        print(await (await session.get(URL)).text())
asyncio.run(main())
""",
}


@pytest.mark.parametrize("library", PYTHON)
def test_a_library_of_python_gets_through(box: Inside, library: str) -> None:
    said = box.python(f"URL = 'https://huggingface.co/by/{library}'\n{PYTHON[library]}")
    assert json.loads(said.stdout)["path"] == f"/by/{library}", said.stderr
    assert box.requests()[0]["path"] == f"/by/{library}"


def test_the_hubs_client_gets_through(box: Inside, internet: Lab) -> None:
    internet.tls.files["/some/model/resolve/main/config.json"] = b'{"model_type": "x"}'
    internet.tls.files[f"/some/model/resolve/{COMMIT}/config.json"] = b'{"model_type": "x"}'
    source = "from huggingface_hub import hf_hub_download as d\nprint(open(d('some/model', 'config.json')).read())"
    said = box.python(source)
    assert said.stdout == '{"model_type": "x"}\n', said.stderr
    assert {request["file"] for request in box.requests(2) if request["repo"] == "some/model"} == {"config.json"}


WHEEL = "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


def test_pip_gets_through(tmp_path: Path, internet: Lab) -> None:
    wheel = io.BytesIO()
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("ptb_probe.py", "WHERE = 'from the index'\n")
        archive.writestr("ptb_probe-1.dist-info/METADATA", "Metadata-Version: 2.1\nName: ptb-probe\nVersion: 1\n")
        archive.writestr("ptb_probe-1.dist-info/WHEEL", WHEEL)
        archive.writestr("ptb_probe-1.dist-info/RECORD", "")
    name = "ptb_probe-1-py3-none-any.whl"
    internet.tls.files["/simple/ptb-probe/"] = f'<a href="https://files.pythonhosted.org/{name}">{name}</a>'.encode()
    internet.tls.files[f"/{name}"] = wheel.getvalue()
    with inside(tmp_path, internet) as box:
        _trust_the_lab(box, internet)
        options = ["--isolated", "--no-cache-dir", "--disable-pip-version-check", "--target", "site"]
        place = ["--index-url", "https://pypi.org/simple", "--cert", "all.pem"]
        said = box.run(sys.executable, "-m", "pip", "install", *options, *place, "ptb-probe")
        assert (box.work / "site" / "ptb_probe.py").exists(), said.stderr
        assert {request["kind"] for request in box.requests(2)} == {"package"}


def test_git_gets_through(tmp_path: Path, internet: Lab) -> None:
    if shutil.which("git") is None:
        pytest.skip("git is not installed")
    source, bare = tmp_path / "source", tmp_path / "bare"
    author = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    git: Callable[..., object] = lambda *words: subprocess.run(["git", *words], check=True, capture_output=True)  # noqa: E731
    git("init", "-q", source)
    (source / "file").write_text("content\n")
    git("-C", source, "add", "file")
    git("-C", source, *author, "commit", "-q", "-m", "first")
    git("clone", "-q", "--bare", source, bare)
    git("-C", bare, "update-server-info")
    for file in bare.rglob("*"):
        if file.is_file():
            internet.tls.files[f"/owner/name.git/{file.relative_to(bare)}"] = file.read_bytes()
            if str(file.relative_to(bare)) == "info/refs":
                internet.tls.files["/owner/name.git/info/refs?service=git-upload-pack"] = file.read_bytes()
    with inside(tmp_path, internet) as box:
        said = box.run("git", "clone", "-q", "https://github.com/owner/name.git", "clone")
        assert (box.work / "clone" / "file").read_text() == "content\n", said.stderr
        assert {request["repo"] for request in box.requests(2)} == {"github.com/owner/name"}


def test_npm_gets_through(tmp_path: Path, internet: Lab) -> None:
    if shutil.which("npm") is None:
        pytest.skip("npm is not installed")
    package = {"name": "ptb-probe", "dist-tags": {"latest": "1.2.3"}}
    package["versions"] = {"1.2.3": {"name": "ptb-probe", "version": "1.2.3", "dist": {"tarball": "", "shasum": ""}}}  # type: ignore[assignment]
    internet.tls.files["/ptb-probe"] = json.dumps(package).encode()
    with inside(tmp_path, internet) as box:
        _trust_the_lab(box, internet)
        trusted = {"npm_config_cafile": "all.pem", "NODE_EXTRA_CA_CERTS": "all.pem"}
        said = box.run("npm", "view", "ptb-probe", "version", **trusted)
        assert said.stdout.strip() == "1.2.3", said.stderr
        assert box.requests()[0]["kind"] == "package"


def _trust_the_lab(box: Inside, internet: Lab) -> None:
    """The lab's servers stand for public ones; those that are tunnelled show their own certificates."""
    (box.work / "all.pem").write_text(box.egress.authorities.read_text() + internet.root)
