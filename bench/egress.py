"""Measure the egress proxy's overhead: throughput relative to a direct connection, added latency, memory.

    python bench/egress.py [--megabytes 1024] [--rounds 5] [--requests 200]

Through the proxy: a client in a bubblewrap sandbox without network, the forwarder on the sandbox's loopback, the unix
socket, the proxy on the host, a server on the host's loopback. Direct: the same client outside of the sandbox and the
same server. Each round does both, one after the other in random order, so that other load on the machine affects both
alike; the ratio is the median over the rounds. Goal: at least 0.7 for tunnelled downloads.
"""

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import psutil

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from egress_lab import Inside, Lab, inside, lab  # type: ignore[import-not-found]

CLIENT = """
import http.client, json, os, ssl, sys, time
scheme, host, port, path, count, through = sys.argv[1:]
context = None if scheme == "http" else ssl.create_default_context(cafile="all.pem")
def connection():
    place = ("127.0.0.1", 8788) if through == "proxy" else ("127.0.0.1", int(port))
    if scheme == "http":
        it = http.client.HTTPConnection(*place)
        if through == "tunnel":
            it = http.client.HTTPConnection("127.0.0.1", 8788); it.set_tunnel(host, 80)
        return it
    import socket
    it = http.client.HTTPSConnection(host, 443, context=context)
    def connect():
        if through == "direct":
            plain = socket.create_connection(("127.0.0.1", int(port)))
        else:
            plain = socket.create_connection(("127.0.0.1", 8788))
            plain.sendall(f"CONNECT {host}:443 HTTP/1.1\\r\\n\\r\\n".encode())
            plain.recv(1000)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        it.sock = context.wrap_socket(plain, server_hostname=host)
    it.connect = connect
    return it
buffer = memoryview(bytearray(2**20))
times, total = [], 0
kept = connection() if count != "1" else None
for n in range(int(count)):
    began = time.perf_counter()
    it = kept or connection()
    whole = f"http://{host}{path}" if through == "proxy" else path
    it.request("GET", whole, headers={"Host": host})
    answer = it.getresponse()
    while got := answer.readinto(buffer):
        total += got
    times.append(time.perf_counter() - began)
print(json.dumps([total, times]))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--megabytes", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--requests", type=int, default=200)
    args = parser.parse_args()
    size = args.megabytes * 2**20
    with tempfile.TemporaryDirectory() as name, lab(Path(name), ["huggingface.co", "files.example"]) as servers:
        folder = Path(name)
        with inside(folder, servers) as box:
            (box.work / "all.pem").write_text(box.egress.authorities.read_text() + servers.root)
            peak = Peak(box.egress.child.popen.pid)
            print(f"{args.megabytes} MiB, {args.rounds} rounds; MB/s")
            print("  route                           direct   through   ratio")
            for title, way in WAYS.items():
                pairs = [measure(box, servers, way, f"/large/{size}", 1) for _ in range(args.rounds)]
                rates = [(size / direct[0] / 1e6, size / through[0] / 1e6) for direct, through in pairs]
                ratio = statistics.median(through / direct for direct, through in rates)
                direct, through = (statistics.median(column) for column in zip(*rates, strict=True))
                print(f"  {title:30} {direct:7.0f}   {through:7.0f}   {ratio:5.2f}", flush=True)
            print(f"peak memory of the proxy during these downloads: {peak.stop() / 1e6:.0f} MB")
            print(f"{args.requests} small requests on one connection; milliseconds, median")
            for title, way in WAYS.items():
                direct, through = measure(box, servers, way, "/small", args.requests)
                before, after = (1000 * statistics.median(times) for times in (direct, through))
                print(f"  {title:30} {before:7.2f}   {after:7.2f}   +{after - before:.2f}", flush=True)


WAYS = {
    "HTTPS, tunnelled": ("https", "files.example", "tunnel"),
    "HTTPS, intercepted": ("https", "huggingface.co", "tunnel"),
    "HTTP, tunnelled": ("http", "plain.example", "tunnel"),
    "HTTP, intercepted": ("http", "plain.example", "proxy"),
}
"""Title -> scheme, host, and whether the client uses a tunnel or a plain proxy request."""


def measure(
    box: Inside, servers: Lab, way: tuple[str, str, str], path: str, count: int
) -> tuple[list[float], list[float]]:
    """Return the seconds of each request: direct, and through the proxy."""
    scheme, host, through = way
    port = servers.tls.port if scheme == "https" else servers.plain.port
    times: dict[str, list[float]] = {}
    for name in random.sample(["direct", through], 2):
        arguments = [scheme, host, str(port), path, str(count), name]
        if name == "direct":
            result = subprocess.run(
                [sys.executable, "-c", CLIENT, *arguments], cwd=box.work, capture_output=True, text=True
            )
        else:
            result = box.run(sys.executable, "-c", CLIENT, *arguments, seconds=600)
        if result.returncode:
            raise SystemExit(result.stderr)
        total, times[name] = json.loads(result.stdout)
        assert total > 0
    return times["direct"], times[through]


class Peak:
    """Records the peak memory of a process."""

    def __init__(self, pid: int) -> None:
        self._process = psutil.Process(pid)
        self._peak = 0
        self._ended = threading.Event()
        threading.Thread(target=self._watch, daemon=True).start()

    def _watch(self) -> None:
        while not self._ended.wait(0.02) and self._process.is_running():
            self._peak = max(self._peak, self._process.memory_info().rss)

    def stop(self) -> int:
        """Stop recording and return the peak in bytes."""
        self._ended.set()
        return self._peak


if __name__ == "__main__":
    main()
