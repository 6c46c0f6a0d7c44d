"""Check a submission in a process of its own, with limited memory and CPU time: `sanitize` reads hostile files.

`python -m posttrainbench.evaluation.limited_check` reads a `Request` from standard input and prints a `Reply`. If the
process dies, the same step on the base model decides whether the submission or the machine is at fault; the limits
themselves never end it by SIGKILL, so that is always the machine's doing.
"""

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

from pydantic import ValidationError

from posttrainbench import catalog
from posttrainbench.errors import InfrastructureError, InputError
from posttrainbench.evaluation.canonical_form import rendered_prompts
from posttrainbench.evaluation.plan import run_plan
from posttrainbench.records import Record, RunSpec, SubmissionManifest
from posttrainbench.submission.sanitize import sanitize
from posttrainbench.untrusted import printable

BASE_BYTES, BYTES_PER_BYTE = 4 * 2**30, 2
"""Memory limit: a constant, and a multiple of the size of the base model's weights."""
BASE_SECONDS, SECONDS_PER_GB = 300, 60
"""Limit of the CPU time: a constant, and a multiple of the size of the base model's weights."""
THREADS = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "RAYON_NUM_THREADS"), "1")
"""Libraries reserve memory for each thread, which would count on machines with many cores."""
TAIL = 100
"""Characters of the last line of standard error, which may repeat content of the submission."""


class Limits(Record):
    """Limits of one check.

    Attributes:
        memory: bytes.
        seconds: CPU time.
    """

    memory: int
    seconds: int


class Request(Record):
    """A submission to check; see `sanitize`."""

    spec: RunSpec
    source: Path
    destination: Path
    limits: Limits


class Reply(Record):
    """The end of a check: the manifest, or an error of the machine.

    Attributes:
        errno: number of an `OSError` when the canonical checkpoint was written.
        infrastructure: message of an `InfrastructureError`, or of an `InputError` about this machine's data.
    """

    manifest: SubmissionManifest | None = None
    errno: int | None = None
    infrastructure: str = ""


def check_submission(
    spec: RunSpec, source: Path, destination: Path, limits: Limits | None = None
) -> SubmissionManifest:
    """Do what `sanitize` does, for the base model and the benchmark of a run, within limits.

    Args:
        spec: the run.
        source: see `sanitize`.
        destination: see `sanitize`.
        limits: None for those that fit the base model.

    Raises:
        InfrastructureError: the base model or the prompts cannot be read, even the base model's check fails, or the
            process is killed twice.
        OSError: `destination` cannot be written.
    """
    base = catalog.find(catalog.models(), spec.model, "model").directory
    limits = limits or limits_for(base)
    request = Request(spec=spec, source=source, destination=destination, limits=limits)
    try:
        try:
            return _checked(request)
        except _KilledError:
            _clear(destination)
            return _checked(request)
    except _KilledError as death:
        raise InfrastructureError(
            "out_of_memory", f"The check of the submission cannot be completed: {death}."
        ) from None
    except _DiedError as death:
        _clear(destination)
        with tempfile.TemporaryDirectory(dir=destination.parent) as folder:
            try:
                _checked(Request(spec=spec, source=base, destination=Path(folder), limits=limits))
            except (_DiedError, _KilledError) as same:
                raise InfrastructureError(
                    "check_failed", f"The check of the submission, and even of the base model, fails: {same}."
                ) from None
        return SubmissionManifest(
            state="broken", files={}, refused=[], problems=[f"The submission cannot be checked: {death}."], facts=[]
        )


def limits_for(base_model: Path) -> Limits:
    """Return limits that are generous for any honest submission."""
    size = sum(path.stat().st_size for path in base_model.glob("*.safetensors"))
    return Limits(memory=BASE_BYTES + BYTES_PER_BYTE * size, seconds=BASE_SECONDS + SECONDS_PER_GB * -(-size // 10**9))


class _DiedError(Exception):
    """The process gave no reply; the message is a phrase that says why."""


class _KilledError(Exception):
    """Another program or the kernel killed the process; the message is a phrase that says so."""


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        path.unlink()


def _checked(request: Request) -> SubmissionManifest:
    command = [sys.executable, "-P", "-m", "posttrainbench.evaluation.limited_check"]
    message = request.model_dump_json().encode()
    ended = subprocess.run(command, input=message, env=os.environ | THREADS, capture_output=True, check=False)
    try:
        reply = Reply.model_validate_json(ended.stdout)
    except ValidationError:
        if ended.returncode in (-signal.SIGKILL, -signal.SIGTERM):
            raise _KilledError(f"its process was killed by signal {-ended.returncode}") from None
        raise _DiedError(_cause(ended.returncode, ended.stderr, request.limits)) from None
    if reply.errno is not None:
        raise OSError(reply.errno, os.strerror(reply.errno))
    if reply.manifest is None:
        raise InfrastructureError("check_failed", reply.infrastructure)
    return reply.manifest


def _cause(code: int, stderr: bytes, limits: Limits) -> str:
    text = stderr.decode(errors="replace")
    if code == -signal.SIGXCPU:
        return f"the check used more than {limits.seconds} seconds of CPU time"
    if "MemoryError" in text or "memory allocation" in text.lower():
        return f"the check used more than {limits.memory / 2**30:.0f} GiB of memory"
    if code < 0:
        return f"the check was killed by signal {-code}"
    last = (text.strip().splitlines() or [f"exit code {code}"])[-1]
    return f"the check failed with {printable(last.partition(':')[0])[:TAIL]}"


def _limit(kind: int, value: int) -> None:
    """Set the soft limit, which an ordinary user cannot raise above the hard limit of this process."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _main() -> None:
    request = Request.model_validate_json(sys.stdin.read())
    reply_to = os.dup(1)
    os.dup2(2, 1)  # keep output of benchmarks and libraries out of the reply
    limits = request.limits
    _limit(resource.RLIMIT_CORE, 0)
    _limit(resource.RLIMIT_CPU, limits.seconds)
    _limit(resource.RLIMIT_DATA, limits.memory)
    spec = request.spec
    try:
        base = catalog.find(catalog.models(), spec.model, "model").directory
        manifest = sanitize(
            request.source, request.destination, base, lambda: rendered_prompts([spec.benchmark], run_plan(spec))
        )
        reply = Reply(manifest=manifest)
    except (InfrastructureError, InputError) as error:
        reply = Reply(infrastructure=str(error))
    except OSError as error:
        reply = Reply(errno=error.errno or errno.EIO)
    with os.fdopen(reply_to, "w") as file:
        file.write(reply.model_dump_json())


if __name__ == "__main__":
    _main()
