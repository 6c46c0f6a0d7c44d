"""Lets the agent work in its sandbox until it ends or the host's deadline comes, and records all it prints."""

import json
import os
import sys
import threading
import time
from pathlib import Path
from typing import BinaryIO

from posttrainbench import catalog
from posttrainbench.agents import load_scaffold
from posttrainbench.errors import InfrastructureError
from posttrainbench.files import read_jsonl, write_json
from posttrainbench.records import AgentEnd, Outcome, Stage
from posttrainbench.run.directory import Run, keep
from posttrainbench.run.prepare import run_mounts
from posttrainbench.run.snapshot import make_readable, snapshot
from posttrainbench.run.watch import Watch
from posttrainbench.sandbox import SandboxProcess, load_sandbox
from posttrainbench.trajectory import write_trajectory

GRACE_SECONDS = 3.0
"""Between SIGTERM and SIGKILL at the deadline."""
KEPT_BYTES = 512 * 2**20
"""Output beyond this is counted and dropped, so that a runaway agent cannot fill the disk."""
LINE_BYTES = 64 * 2**10
POLL_SECONDS = 0.1


def clock() -> float:
    """Seconds since boot, suspended time included; `timer.sh` reads the same clock in `/proc/uptime`."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Recorder:
    """Writes what the agent prints to `output.jsonl`, line by line, as it arrives."""

    def __init__(self, path: Path, watch: Watch) -> None:
        self.file = path.open("wb")
        self.watch = watch
        self.started = clock()
        self.lock = threading.Lock()
        self.kept = 0
        self.dropped = 0
        self.readers: list[threading.Thread] = []

    def follow(self, stream: BinaryIO, name: str) -> None:
        """Read a pipe to its end in a thread."""
        thread = threading.Thread(target=self._read, args=(stream, name), daemon=True)
        thread.start()
        self.readers.append(thread)

    def _read(self, stream: BinaryIO, name: str) -> None:
        while chunk := stream.readline(LINE_BYTES):
            with self.lock:
                if self.kept + len(chunk) > KEPT_BYTES:
                    self.dropped += len(chunk)
                    continue
                self.kept += len(chunk)
                line = chunk.decode(errors="replace").rstrip("\n")
                entry = {"t": round(clock() - self.started, 3), "stream": name, "line": line}
                self.file.write(json.dumps(entry, ensure_ascii=False).encode() + b"\n")
                self.file.flush()
            self.watch.agent(line)

    def close(self) -> None:
        """Wait for the ends of the pipes, and make what has been recorded durable. Every writer must be dead."""
        for reader in self.readers:
            reader.join()
        with self.lock:
            self.file.flush()
            os.fsync(self.file.fileno())
            self.file.close()


def solve(run: Run, out: Path, watch: Watch) -> None:
    """The stage `solve`. See the module's docstring; the files are described in `records.py`."""
    spec = run.spec
    sandbox = load_sandbox(spec.sandbox)
    launch = load_scaffold(spec.agent.scaffold).launch(spec.agent, sandbox)
    keep(run.workspace)
    for folder in ("", ".home", ".tmp", ".shm"):
        (run.workspace / folder).mkdir()
    mounts = run_mounts(run.root, spec.model)
    workspace, kit = sandbox.locate(mounts["workspace"]), sandbox.locate(mounts["kit"])
    environment = {
        "PATH": f"{sys.prefix}/bin:/usr/local/bin:/usr/bin:/bin",
        "HOME": f"{workspace}/.home",
        "TMPDIR": sandbox.locate(mounts["tmp"]),
        "USER": "agent",
        "LANG": "C.UTF-8",
        "HF_HUB_OFFLINE": "1",
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "PTB_KIT": kit,
        "PTB_DEADLINE": sandbox.locate(mounts["deadline"]),
        **launch.environment,
    }
    threads = catalog.find(catalog.suites(), spec.suite, "suite").threads
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
    prompt = (run.stage(Stage.PREPARE) / "prompt.md").read_bytes()
    (out / "prompt.md").write_bytes(prompt)
    recorder = Recorder(out / "output.jsonl", watch)
    deadline = recorder.started + spec.budget
    (out / "deadline").write_text(f"{deadline:.3f}\n")
    watch.say(f"{spec.agent.name} at work")
    process = sandbox.start(launch.argv, [*mounts.values(), *launch.mounts], environment, workspace)
    try:
        ended_by_host = _drive(process, prompt, deadline, recorder, watch)
        seconds = clock() - recorder.started
    finally:
        process.kill(0)
        recorder.close()
        make_readable(run.workspace)
        snapshot(run.workspace, workspace, out / "final_model")
    if not ended_by_host and process.broke():
        raise InfrastructureError("sandbox_failed", f"The sandbox failed; what it said is in {out / 'output.jsonl'}.")
    code = process.popen.returncode
    natural_end = AgentEnd.EXITED if code == 0 else AgentEnd.CRASHED
    outcome = Outcome(
        end=AgentEnd.DEADLINE if ended_by_host else natural_end,
        exit_code=None if ended_by_host else code,
        seconds=seconds,
        output_bytes=recorder.kept + recorder.dropped,
        output_dropped=recorder.dropped,
        isolation=sandbox.isolation,
        network=sandbox.network,
    )
    write_json(out / "outcome.json", outcome)
    _keep_evaluations(run.workspace / "evaluations.jsonl", out / "evaluations.jsonl")
    write_trajectory(spec, prompt.decode(), out / "output.jsonl", out / "trajectory.json")


def _drive(process: SandboxProcess, prompt: bytes, deadline: float, recorder: Recorder, watch: Watch) -> bool:
    """Hand over the prompt, wait for the end, and bring it about at the deadline. Returns whether the host did."""
    popen = process.popen
    if popen.stdin is None or popen.stdout is None or popen.stderr is None:
        raise RuntimeError("a sandbox must give all three streams as pipes")
    recorder.follow(popen.stdout, "stdout")  # type: ignore[arg-type]
    recorder.follow(popen.stderr, "stderr")  # type: ignore[arg-type]
    feeder = threading.Thread(target=_feed, args=(popen.stdin, prompt), daemon=True)
    feeder.start()
    while popen.poll() is None and (left := deadline - clock()) > 0:
        watch.left(left)
        time.sleep(min(POLL_SECONDS, left))
    ended_by_host = popen.poll() is None
    process.kill(GRACE_SECONDS)
    return ended_by_host


def _feed(stdin: BinaryIO, prompt: bytes) -> None:
    """Write the prompt and close; an agent that does not read it is free to do so."""
    try:
        stdin.write(prompt)
        stdin.close()
    except (BrokenPipeError, ValueError):
        return


def _keep_evaluations(source: Path, destination: Path) -> None:
    """Take over the agent's calls of `evaluate.py`: its own word, so only what has the right shape, and bounded."""
    fields = {"time": float, "items": int, "score": float, "checkpoint": str}
    kept = []
    if source.is_file() and not source.is_symlink() and source.stat().st_size <= 2**20:
        for entry in read_jsonl(source):
            if set(entry) == set(fields) and all(isinstance(entry[key], kind) for key, kind in fields.items()):
                kept.append(json.dumps(entry))
    destination.write_text("".join(f"{line}\n" for line in kept))
