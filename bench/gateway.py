"""Measure the gateway's overhead: time to the first and to the last byte of a stream. Goal: at most 5 ms to the first.

    python bench/gateway.py [--streams 32] [--rounds 12]

A fake provider, the gateway and this client run on one machine, on loopback. Every stream is a request of an agent's
size (100 kB), answered after 50 ms by 20 events 20 ms apart. Streams start at random times within the first 400 ms of a
round, so that they overlap but are not synchronized. Each round uses three routes one after the other, in random order:
directly, through the gateway, and through the forwarder and the unix socket as in a sandbox. Other load on the
machine affects the percentiles, mostly the upper one, and the processor time much less.
"""

import argparse
import asyncio
import json
import os
import random
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from posttrainbench.gateway import GatewayConfig, forwarder, start_gateway

FAKE = Path(__file__).parents[1] / "tests" / "fake_models" / "server.py"
KEY = "sk-real-0123456789abcdefghijklmn"  # the fake provider's
WAIT, PACE, EVENTS = 0.05, 0.02, 20
SPREAD = 0.4

MESSAGES = [{"role": ("user", "assistant")[n % 2], "content": f"{n} " + "word " * 100} for n in range(200)]
BODY = json.dumps({"model": "m", "stream": True, "input": MESSAGES}).encode()

Times = list[tuple[float, float]]
"""Seconds to the first and to the last byte, one pair for each stream."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=12)
    args = parser.parse_args()
    os.environ["OPENAI_API_KEY"] = KEY
    with tempfile.TemporaryDirectory() as folder, fake_provider() as url:
        config = GatewayConfig(protocol="openai", models=["m"], base_url=f"{url}/v1", loopback=True)
        with start_gateway(config, Path(folder)) as gateway, forwarded(gateway.socket) as inside:
            assert gateway.address is not None
            routes = {
                "direct": (url, KEY),
                "gateway": (gateway.address, gateway.token),
                "sandbox": (inside, gateway.token),
            }
            process = psutil.Process(gateway.child.popen.pid)
            before = process.cpu_times()
            times = asyncio.run(measure(routes, args.streams, args.rounds))
            after = process.cpu_times()
    spent = after.user + after.system - before.user - before.system
    requests = 2 * args.streams * (args.rounds + 1)
    print(f"{args.streams} streams at once, {args.rounds} rounds; milliseconds, and the difference to the direct route")
    for end, name in enumerate(("first byte", "last byte")):
        for route, pairs in times.items():
            columns = []
            for share in (0.5, 0.95):
                value = percentile([pair[end] for pair in pairs], share)
                added = value - percentile([pair[end] for pair in times["direct"]], share)
                columns.append(f"p{share * 100:.0f} {value * 1000:7.1f} (+{added * 1000:5.1f})")
            print(f"{name:10}  {route:8}  {'   '.join(columns)}")
    print(f"processor time of the gateway: {spent / requests * 1000:.1f} ms per request, including its {EVENTS} events")


async def measure(routes: dict[str, tuple[str, str]], streams: int, rounds: int) -> dict[str, Times]:
    chance = random.Random(0)
    times: dict[str, Times] = {route: [] for route in routes}
    for number in range(rounds + 1):
        for route in chance.sample(list(routes), len(routes)):
            address, key = routes[route]
            delays = [chance.uniform(0, SPREAD) for _ in range(streams)]
            pairs = await asyncio.gather(*(stream(address, key, delay) for delay in delays))
            if number:  # the first round opens the gateway's connections
                times[route] += pairs
    return times


async def stream(address: str, key: str, delay: float) -> tuple[float, float]:
    url = urlsplit(address)
    reader, writer = await asyncio.open_connection(url.hostname, url.port)
    head = (
        f"POST /v1/responses HTTP/1.1\r\nhost: {url.netloc}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(BODY)}\r\nconnection: close\r\n\r\n"
    )
    await asyncio.sleep(delay)
    began = time.perf_counter()
    writer.write(head.encode() + BODY)
    status = await reader.readline()
    assert b" 200 " in status, status
    await reader.readuntil(b"\r\n\r\n")
    await reader.readuntil(b"\n\n")
    first = time.perf_counter() - began
    rest = await reader.read(-1)
    last = time.perf_counter() - began
    assert b"response.completed" in rest
    writer.close()
    return first, last


@contextmanager
def fake_provider() -> Iterator[str]:
    command = [sys.executable, str(FAKE), f"--wait={WAIT}", f"--pace={PACE}", f"--events={EVENTS}"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield process.stdout.readline().strip()
        process.stdin.close()


@contextmanager
def forwarded(path: Path) -> Iterator[str]:
    """Yield an address that leads to the gateway through the forwarder, as in a sandbox, but without one."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # Exits when its standard input closes, and kills its child.
    program = "import os, signal, sys; print(flush=True); sys.stdin.read(); os.killpg(0, signal.SIGKILL)"
    command = [sys.executable, forwarder.__file__, "copy", str(port), str(path), "--", sys.executable, "-c", program]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        yield f"http://127.0.0.1:{port}"
        process.stdin.close()


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


if __name__ == "__main__":
    main()
