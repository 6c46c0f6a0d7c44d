"""The interface between engines and the evaluation.

An engine is an `Engine` object that an entry point in `posttrainbench.engines` names. The built-in engines use the same
interface as third-party ones.
"""

import os
import re
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from posttrainbench.errors import InputError
from posttrainbench.plugins import load_plugin

ERROR_MARK = "engine error: "
MODEL_NAME = "checkpoint"
"""Name of the model in requests to an engine."""

ENV_ALLOWLIST = (
    "PATH HOME LANG TMPDIR LD_LIBRARY_PATH CUDA_HOME CUDA_VISIBLE_DEVICES NVIDIA_VISIBLE_DEVICES XDG_CACHE_HOME HF_HOME"
).split()
"""Environment variables of the process that loads a submission. API keys of the user are not passed on."""

IDLE_THREADS = {"OMP_WAIT_POLICY": "passive"}
"""Makes threads of torch sleep while they wait for others. By default they compute in a loop, which takes the processor
from the others where several programs share it; measured in docs/evaluation.md."""


def host_environment() -> dict[str, str]:
    """Return the environment of a process on the host that loads a submission in our own interpreter."""
    passed = {name: os.environ[name] for name in ENV_ALLOWLIST if name in os.environ}
    return passed | IDLE_THREADS | {"HF_HUB_OFFLINE": "1"}


def kv_memory(engine: str, settings: Mapping[str, str]) -> int | None:
    """Return the engine setting `kv_memory`, memory for keys and values, in bytes; None if it is not set.

    Raises:
        InputError: the value is not a number of GiB above 0.
    """
    if (value := settings.get("kv_memory")) is None:
        return None
    if not re.fullmatch(r"[0-9]{1,6}(\.[0-9]+)?", value) or float(value) == 0:
        raise InputError(f"The setting `kv_memory` of the engine {engine} must be a number above 0, not `{value}`.")
    return int(float(value) * 2**30)


class EngineLoadError(Exception):
    """The engine started but failed to load the checkpoint."""


@dataclass(frozen=True)
class Serving:
    """A checkpoint to serve, and how.

    Attributes:
        checkpoint: directory with safetensors, config and tokenizer.
        template: chat template (Jinja), used instead of the checkpoint's own.
        log: file that the engine's output is appended to; created if missing.
        threads: number of CPU threads; None for the libraries' default.
        decoding: sampling settings that replace the checkpoint's own; None to use the checkpoint's.
        settings: the engine's own settings, such as `memory_fraction`; see `Engine.settings`.
        dtype: number format of weights and computations: `bfloat16`, `float16` or `float32`.
    """

    checkpoint: Path
    template: str
    log: Path
    threads: int | None = None
    decoding: Mapping[str, float] | None = None
    settings: Mapping[str, str] = field(default_factory=dict)
    dtype: str = "float32"


@dataclass(frozen=True)
class Endpoint:
    """A checkpoint that is being served under the model name `MODEL_NAME`.

    Attributes:
        base_url: OpenAI-compatible, on loopback, such as `http://127.0.0.1:4711/v1`.
        api_key: random key, valid only for this endpoint.
        connections: number of concurrent requests that the engine can make use of.
        greedy: whether decoding is deterministic, so that the sampling seed makes no difference.
        config: everything about the engine that can change a score; recorded in `metrics.json`.
        log: the engine's output. A line that begins with `ERROR_MARK` gives the reason for a failed request.
        diagnose: returns why the engine failed, if it knows that from elsewhere than such a line.
        rows: number of requests that are computed at once, if it is smaller than `connections`.
        context: largest number of tokens of prompt and completion, if the engine refuses a higher limit.
    """

    base_url: str
    api_key: str
    connections: int
    greedy: bool
    config: dict[str, Any]
    log: Path
    diagnose: Callable[[], str | None] = lambda: None
    rows: int | None = None
    context: int | None = None

    def last_error(self) -> str | None:
        """Return the reason of the last failed request; None if none is known."""
        if reason := self.diagnose():
            return reason
        lines = self.log.read_text(errors="replace").splitlines()
        return next((line.removeprefix(ERROR_MARK) for line in reversed(lines) if line.startswith(ERROR_MARK)), None)


StartEngine = Callable[[Serving], AbstractContextManager[Endpoint]]
"""Serve a checkpoint; leaving the context stops the server.

Raises `EngineLoadError` if the checkpoint cannot be loaded, `InputError` if a setting has an invalid value, and
`InfrastructureError` if the engine itself fails.
"""


@dataclass(frozen=True)
class Engine:
    """An inference engine.

    Attributes:
        name: its entry point's name.
        start: serves a checkpoint.
        versions: settings -> versions of the libraries that generate, such as `{"vllm": "0.33.0"}`. Cached baselines
            are reused only for equal versions. Raises `InputError` if a library is not installed.
        kit: files of the package `engine` in the agent's kit, name -> source; they must stand alone. Its `__init__.py`
            defines `complete`, see `docs/evaluation.md`.
        settings: setting -> description; other settings are refused.
        check_values: raises `InputError` if a setting has an invalid value.
        neutral_settings: settings that cannot change a score, such as the path of an interpreter.
        environment: returns the user's environment variables that are passed to the engine and can change a score.
            Cached baselines are reused only for equal ones.
    """

    name: str
    start: StartEngine
    versions: Callable[[Mapping[str, str]], dict[str, str]]
    kit: Mapping[str, Path]
    settings: Mapping[str, str] = field(default_factory=dict)
    check_values: Callable[[Mapping[str, str]], None] = lambda settings: None
    neutral_settings: frozenset[str] = frozenset()
    environment: Callable[[], dict[str, str]] = dict

    def serve(self, serving: Serving) -> AbstractContextManager[Endpoint]:
        """Serve a checkpoint; see `StartEngine`.

        Raises:
            InputError: the engine does not have one of the settings.
        """
        self.require_settings(serving.settings)
        return self.start(serving)

    def require_settings(self, settings: Mapping[str, str]) -> None:
        """Check that the engine has these settings, and their values.

        Raises:
            InputError: it does not have one of them, or a value is invalid.
        """
        for name in settings:
            if not self.settings:
                raise InputError(f"The engine {self.name} has no settings; leave out --engine-setting {name}=....")
            if name not in self.settings:
                listed = "; ".join(f"{key}: {description}" for key, description in self.settings.items())
                raise InputError(f"The engine {self.name} has no setting `{name}`; it has these: {listed}.")
        self.check_values(settings)

    def score_settings(self, settings: Mapping[str, str]) -> dict[str, str]:
        """Return the settings that can change a score."""
        return {name: value for name, value in settings.items() if name not in self.neutral_settings}


def load_engine(name: str) -> Engine:
    """Return the engine of an entry point in `posttrainbench.engines`.

    Raises:
        InputError: no installed package registers it, or its entry point does not name an `Engine`.
    """
    engine = load_plugin("engines", name)
    if not isinstance(engine, Engine):
        raise InputError(
            f"The entry point `{name}` in posttrainbench.engines names a {type(engine).__name__}; it must name a "
            "posttrainbench.engines.Engine."
        )
    return engine
