"""Measure the time to start and check a sandbox, and from its deadline to the death of all processes.

    python bench/sandbox.py [--rounds 10] [--backends bubblewrap,podman,docker,process]

Goals: bubblewrap under 0.3 s more than a bare start; a check under 0.5 s. Each round measures all backends in turn;
other load on the machine affects mainly the maxima. Podman and docker must work; for machines without systemd, see the
settings in `tests/container_engines.py`.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from posttrainbench.errors import InputError
from posttrainbench.sandbox import Sandbox
from posttrainbench.sandbox.bubblewrap import Bubblewrap
from posttrainbench.sandbox.containers import Docker, Podman
from posttrainbench.sandbox.process import Process
from posttrainbench.sandbox.supervisor import GRACE_SECONDS, clock

BACKENDS: dict[str, Callable[[], Sandbox]] = {
    "bubblewrap": Bubblewrap,
    "podman": Podman,
    "docker": Docker,
    "process": Process,
}
DEADLINE = 1.5
OBEDIENT = "import os, time; [os.fork() for _ in range(4)]; time.sleep(600)"
STUBBORN = f"import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); {OBEDIENT}"
"""Programs with sixteen processes that exit on SIGTERM, or only on SIGKILL."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--backends", default="bubblewrap,podman,docker,process")
    args = parser.parse_args()
    sandboxes = []
    for name in args.backends.split(","):
        sandbox = BACKENDS[name]()
        try:
            sandbox.check()
        except InputError as error:
            print(f"{name}: {error}")
            continue
        sandboxes.append(sandbox)
    figures: dict[tuple[str, str], list[float]] = {}
    bare = []
    for _ in range(args.rounds):
        bare.append(timed(lambda: subprocess.run(["/usr/bin/true"], check=True)))
        for sandbox in sandboxes:
            for what, measure in MEASURES.items():
                figures.setdefault((what, sandbox.name), []).append(measure(sandbox))
    print(f"bare start and end: {spread(bare)}")
    for (what, name), seconds in sorted(figures.items()):
        baseline = statistics.median(bare) if what == "start and end, minus a bare start" else 0.0
        print(f"{what}: {name}: {spread([value - baseline for value in seconds])}")


def start_and_end(sandbox: Sandbox) -> float:
    """Return the seconds from the call until the supervisor has exited."""

    def run() -> None:
        process = sandbox.start(["/usr/bin/true"], [], {}, "/")
        assert process.popen.wait() == 0

    return timed(run)


def first_output(sandbox: Sandbox) -> float:
    """Return the seconds from the call to the command's first byte of output."""
    began = time.monotonic()
    process = sandbox.start(["/bin/echo", "x"], [], {}, "/")
    assert process.popen.stdout is not None
    process.popen.stdout.read(1)
    seconds = time.monotonic() - began
    process.kill(0)
    return seconds


def after_deadline(sandbox: Sandbox, code: str) -> float:
    """Return the seconds from the deadline until the supervisor has exited, after the last process died."""
    deadline = clock() + DEADLINE
    process = sandbox.start([sys.executable, "-I", "-c", code], [], {}, "/", deadline=deadline)
    process.popen.wait()
    return clock() - deadline


MEASURES: dict[str, Callable[[Sandbox], float]] = {
    "start and end, minus a bare start": start_and_end,
    "start to first output": first_output,
    "check": lambda sandbox: timed(sandbox.check),
    "deadline to all dead, 16 processes that obey SIGTERM": lambda sandbox: after_deadline(sandbox, OBEDIENT),
    f"deadline to all dead, 16 that ignore SIGTERM (including {GRACE_SECONDS:g} s grace)": lambda sandbox: (
        after_deadline(sandbox, STUBBORN)
    ),
}


def timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def spread(seconds: list[float]) -> str:
    return f"median {statistics.median(seconds):.3f} s, {min(seconds):.3f} to {max(seconds):.3f}"


if __name__ == "__main__":
    main()
