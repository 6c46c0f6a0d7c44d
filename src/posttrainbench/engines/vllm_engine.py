"""The `vllm` engine of the official suites, for GPUs and CPUs.

vLLM pins its own version of torch, so the setting `python` can name the interpreter of another environment. The server
runs under `guard`, which stops it and its workers with the evaluation and removes their temporary files. A completion
is plain text: the chat template shows tools to the model, and vLLM does not parse tool calls.
"""

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

from posttrainbench.child_process import stop
from posttrainbench.engines.base import (
    ENV_ALLOWLIST,
    MODEL_NAME,
    Endpoint,
    Engine,
    EngineLoadError,
    Serving,
    kv_memory,
)
from posttrainbench.engines.diagnose import faulty_file
from posttrainbench.engines.sampling import SAMPLING_KEYS, TOKEN_KEYS
from posttrainbench.engines.vllm_log import root_cause
from posttrainbench.engines.vllm_process import NO_VLLM, PLATFORM_MARK
from posttrainbench.errors import InfrastructureError, InputError

HERE = Path(__file__).parent
PROGRAM = (HERE / "vllm_process.py").read_text()
VERSIONS_SECONDS = 300.0
LOAD_SECONDS = 1800.0
STOP_SECONDS = 40.0
DYING_SECONDS = 10.0
POLL_SECONDS = 0.25
CPU_STEP_SECONDS = 6 * 3600
"""Limit of one step of vLLM on CPUs. With its default of 5 minutes, it exits where other programs use the cores."""
KEEP_ALIVE_SECONDS = 24 * 3600
"""An idle connection is closed by the client only: a request that meets a closing server fails."""
CONNECTIONS = 512
LONGEST_SCRATCH = 50
"""Maximum length of the temporary directory's path: vLLM creates sockets in it, whose paths the kernel limits."""
SETTINGS = {
    "python": "interpreter with vLLM; default: the current one",
    "memory_fraction": "share of memory to use, of each GPU (default: 0.9) or of the machine on CPUs (default: 0.2)",
    "kv_memory": "memory for keys and values in GiB, in place of memory_fraction",
    "max_model_len": "maximum length of prompt and completion in tokens; default: the checkpoint's",
    "max_num_seqs": "maximum number of concurrent requests; default: vLLM's",
    "tensor_parallel_size": "number of GPUs that share one model; default: 1",
    "enforce_eager": "1 to disable compilation and CUDA graphs, which saves memory and start-up time",
}
COUNTS = ("max_model_len", "max_num_seqs", "tensor_parallel_size")
_NO_MEMORY = re.compile(r"(?i)\bmemory\b.*\b(kv|cache|less than desired)\b")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL")


@contextmanager
def start(serving: Serving) -> Iterator[Endpoint]:
    """Serve a checkpoint with vLLM in separate processes; see `StartEngine`."""
    python = _python(serving.settings)
    installed = versions(serving.settings)
    decoding = generation_config(serving)
    flags = options(serving, installed, decoding)
    key, name = secrets.token_urlsafe(24), f"{MODEL_NAME}-{secrets.token_hex(4)}"
    scratch = _scratch_directory()
    (scratch / "generation_config.json").write_text(json.dumps(decoding))
    (scratch / "template.jinja").write_text(serving.template)
    port = _free_port()
    command = [python, "-I", "-c", PROGRAM, "serve", str(serving.checkpoint)]
    command += ["--served-model-name", MODEL_NAME, name]
    command += ["--host", "127.0.0.1", "--port", str(port), "--uvicorn-log-level", "warning"]
    command += ["--chat-template", str(scratch / "template.jinja"), "--generation-config", str(scratch)]
    for flag, value in flags.items():
        command += [f"--{flag}"] if value is None else [f"--{flag}", value]
    with serving.log.open("ab") as log:
        offset = log.tell()
        guard = subprocess.Popen(
            [sys.executable, "-P", "-m", "posttrainbench.engines.guard", str(scratch), *command],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=_environment(key, serving.threads, scratch, on_cpu=_on_cpu(installed)),
            start_new_session=True,  # Ctrl-C must reach only the evaluation, which then stops the engine
        )

    def output() -> str:
        with serving.log.open("rb") as file:
            file.seek(offset)
            return file.read().decode(errors="replace")

    def diagnose() -> str | None:
        cause = root_cause(output())
        if cause is not None:
            try:  # the server answers for a moment after its engine has died
                guard.wait(DYING_SECONDS)
            except subprocess.TimeoutExpired:
                return cause
        return None if guard.poll() is None else f"vLLM exited while generating: {cause or _exit(guard.returncode)}"

    try:
        context = _wait_ready(guard, f"http://127.0.0.1:{port}/v1/models", key, name)
        if guard.poll() is not None:
            fault = faulty_file(serving.checkpoint) or root_cause(output()) or f"vLLM exited: {_exit(guard.returncode)}"
            raise EngineLoadError(fault + memory_hint(fault))
        platform = re.search(rf"^{PLATFORM_MARK}(\S+)$", output(), re.MULTILINE)
        yield Endpoint(
            base_url=f"http://127.0.0.1:{port}/v1",
            api_key=key,
            connections=CONNECTIONS,
            greedy=decoding.get("temperature") == 0,
            config={
                "engine": "vllm",
                **installed,
                "platform": platform and platform[1],
                "dtype": serving.dtype,
                "threads": serving.threads,
                "decoding": decoding,
                "flags": flags,
                "environment": user_environment(),
                "settings": ENGINE.score_settings(serving.settings),
            },
            log=serving.log,
            diagnose=diagnose,
            context=context,
        )
    finally:
        stop(guard, STOP_SECONDS)


def memory_hint(cause: str) -> str:
    """Return which of our settings changes how much memory vLLM asks for, if that is why it failed; else ""."""
    if _NO_MEMORY.search(cause):
        return " (the engine setting kv_memory or memory_fraction changes how much memory vLLM asks for)"
    return ""


def generation_config(serving: Serving) -> dict[str, Any]:
    """Return the sampling settings and special tokens of the checkpoint's `generation_config.json`."""
    own = _json_object(serving.checkpoint / "generation_config.json")
    kept = {key: own[key] for key in (*SAMPLING_KEYS, *TOKEN_KEYS) if own.get(key) is not None}
    if serving.decoding is None:
        return kept
    return {key: value for key, value in kept.items() if key in TOKEN_KEYS} | dict(serving.decoding)


def _json_object(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_bytes()) if path.is_file() else {}
    except ValueError as error:
        raise EngineLoadError(f"{path.name} is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise EngineLoadError(f"{path.name} is not a JSON object")
    return value


def options(serving: Serving, installed: Mapping[str, str], decoding: Mapping[str, Any]) -> dict[str, str | None]:
    """Return the server's options that can change a score: name -> value, None for a switch.

    Args:
        installed: the versions of vLLM and torch.
        decoding: the settings that vLLM samples with.

    Raises:
        InputError: a setting has an invalid value.
    """
    settings = serving.settings
    check_values(settings)
    on_cpu = _on_cpu(installed)
    flags: dict[str, str | None] = {"dtype": serving.dtype}
    if (limit := kv_memory("vllm", settings)) is not None:
        flags["kv-cache-memory-bytes"] = str(limit)
    else:
        flags["gpu-memory-utilization"] = settings.get("memory_fraction", "0.2" if on_cpu else "0.9")
    for setting in COUNTS:
        if setting in settings:
            flags[setting.replace("_", "-")] = settings[setting]
    if settings.get("enforce_eager") == "1":
        flags["enforce-eager"] = None
    if "vision_config" in _json_object(serving.checkpoint / "config.json"):
        flags["limit-mm-per-prompt"] = json.dumps({"image": 0})
    if on_cpu and decoding.get("temperature") != 0:
        # vLLM rewinds the random generator of a request whose prompt is computed in parts; that of a CPU cannot rewind.
        flags["no-enable-chunked-prefill"] = None
    return flags


def _on_cpu(installed: Mapping[str, str]) -> bool:
    return "cpu" in installed["vllm"]


def check_values(settings: Mapping[str, str]) -> None:
    """Check the values of the settings.

    Raises:
        InputError: a value is invalid.
    """
    if kv_memory("vllm", settings) is not None and "memory_fraction" in settings:
        raise InputError("The engine vllm takes `kv_memory` or `memory_fraction`, not both.")
    for name, value in settings.items():
        if name in COUNTS and not re.fullmatch(r"[1-9][0-9]{0,8}", value):
            raise _invalid(name, value, "a whole number above zero")
        if name == "memory_fraction" and not (re.fullmatch(r"[0-9]*\.?[0-9]+", value) and 0 < float(value) <= 1):
            raise _invalid(name, value, "a number above 0 and up to 1")
        if name == "enforce_eager" and value not in ("0", "1"):
            raise _invalid(name, value, "0 or 1")


def _invalid(name: str, value: str, expected: str) -> InputError:
    return InputError(f"The setting `{name}` of the engine vllm must be {expected}, not `{value}`.")


def versions(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of vLLM, torch and transformers in the interpreter of the settings.

    Raises:
        InputError: vLLM is not installed there.
    """
    return dict(_versions(_python(settings)))


def _python(settings: Mapping[str, str]) -> str:
    return settings.get("python", sys.executable)


@cache
def _versions(python: str) -> dict[str, str]:
    try:
        asked = subprocess.run(
            [python, "-I", "-c", PROGRAM, "versions"],
            capture_output=True,
            text=True,
            timeout=VERSIONS_SECONDS,
            check=False,
        )
    except OSError as error:
        raise InputError(
            f"{python} cannot be run ({error.strerror}); give --engine-setting python=INTERPRETER."
        ) from None
    if asked.returncode == NO_VLLM:
        raise InputError(
            f"{python} has no vLLM; install it there (pip install vllm), name another interpreter "
            "(--engine-setting python=INTERPRETER), or choose --engine transformers."
        )
    try:
        installed: dict[str, str] = json.loads(asked.stdout)
    except ValueError:
        reason = root_cause(asked.stderr) or _exit(asked.returncode)
        raise InputError(
            f"{python} does not tell its version of vLLM ({reason}); repair that environment, or name another "
            "interpreter: --engine-setting python=INTERPRETER."
        ) from None
    return installed


def user_environment() -> dict[str, str]:
    """Return the user's variables `VLLM_*`, which configure vLLM, except for secrets."""
    return {
        name: value
        for name, value in sorted(os.environ.items())
        if name.startswith("VLLM_") and not _SECRET.search(name)
    }


def _environment(key: str, threads: int | None, scratch: Path, *, on_cpu: bool) -> dict[str, str]:
    environment = {name: os.environ[name] for name in ENV_ALLOWLIST if name in os.environ}
    environment |= {"VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}
    if threads is not None:
        environment["OMP_NUM_THREADS"] = str(threads)
        environment["VLLM_CPU_OMP_THREADS_BIND"] = "nobind"  # every vLLM on a machine would bind to its first core
    environment["VLLM_HTTP_TIMEOUT_KEEP_ALIVE"] = str(KEEP_ALIVE_SECONDS)
    if on_cpu:
        environment["VLLM_EXECUTE_MODEL_TIMEOUT_SECONDS"] = str(CPU_STEP_SECONDS)
    environment |= user_environment()
    return environment | {
        "VLLM_API_KEY": key,
        "HF_HUB_OFFLINE": "1",
        "TMPDIR": str(scratch),
        "VLLM_RPC_BASE_PATH": str(scratch),
    }


def _scratch_directory() -> Path:
    """Create the directory for the server's temporary files, which the guard removes."""
    usual = tempfile.gettempdir()
    return Path(tempfile.mkdtemp(prefix="vllm-", dir=usual if len(usual) <= LONGEST_SCRATCH else "/tmp"))  # noqa: S108


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_ready(guard: "subprocess.Popen[bytes]", url: str, key: str, name: str) -> int | None:
    """Wait until the server exits, or accepts our key and lists our model, which no other server on that port would do.

    Returns:
        The length of the model's context, if the server lists it.

    Raises:
        InfrastructureError: neither happens in `LOAD_SECONDS`.
    """
    deadline = time.monotonic() + LOAD_SECONDS
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {key}"})  # noqa: S310  (loopback)
    while time.monotonic() < deadline:
        if guard.poll() is not None:
            return None
        try:
            with urllib.request.urlopen(request, timeout=5) as reply:  # noqa: S310
                for model in json.load(reply)["data"]:
                    if model["id"] == name:
                        context: int | None = model.get("max_model_len")
                        return context
        except (OSError, ValueError, KeyError):
            pass
        time.sleep(POLL_SECONDS)
    raise InfrastructureError("engine_failed", f"vLLM did not start in {LOAD_SECONDS:.0f} s.")


def _exit(code: int) -> str:
    """Describe an exit code of the guard; 128 + N if signal N ended the server."""
    if code == 128 + 9:
        return "it was killed (SIGKILL), which the kernel does when memory runs out"
    return f"signal {code - 128}" if code > 128 else f"exit code {code}, without an error message"


ENGINE = Engine(
    name="vllm",
    start=start,
    versions=versions,
    kit={"__init__.py": HERE / "vllm_kit.py", "sampling.py": HERE / "sampling.py"},
    settings=SETTINGS,
    check_values=check_values,
    neutral_settings=frozenset({"python"}),
    environment=user_environment,
)
