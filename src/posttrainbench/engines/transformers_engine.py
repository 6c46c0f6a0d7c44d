"""The `transformers` engine, for CPUs and for models that vLLM does not support."""

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from posttrainbench.child_process import run_child
from posttrainbench.engines.base import Endpoint, Engine, EngineLoadError, Serving, host_environment, kv_memory
from posttrainbench.engines.diagnose import faulty_file
from posttrainbench.errors import InputError

SERVER = "posttrainbench.engines.transformers_server"
LOAD_SECONDS = 600.0
CONNECTIONS = 256


def versions(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the versions of torch and transformers.

    Raises:
        InputError: they, or the libraries of the server, are not installed.
    """
    missing = [name for name in ("torch", "transformers", "starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise InputError(
            f"The engine transformers needs {', '.join(missing)}; install the extra: pip install "
            "'posttrainbench[local]', or choose another engine with --engine."
        )
    return {name: version(name) for name in ("torch", "transformers")}


@contextmanager
def start(serving: Serving) -> Iterator[Endpoint]:
    """Serve a checkpoint in a separate process; see `StartEngine`."""
    key = secrets.token_urlsafe(24)
    order = {
        "checkpoint": str(serving.checkpoint),
        "template": serving.template,
        "key": key,
        "threads": serving.threads,
        "decoding": None if serving.decoding is None else dict(serving.decoding),
        "dtype": serving.dtype,
        "kv_memory": kv_memory("transformers", serving.settings),
    }
    with run_child(
        *(SERVER, json.dumps(order), serving.log, LOAD_SECONDS),
        name="transformers engine",
        cause="engine_failed",
        environment=host_environment(),
    ) as child:
        ready = json.loads(child.ready_line)
        if "load_error" in ready:
            raise EngineLoadError(faulty_file(serving.checkpoint) or ready["load_error"])
        yield Endpoint(
            base_url=f"http://127.0.0.1:{ready['port']}/v1",
            api_key=key,
            connections=CONNECTIONS,
            greedy=not ready["samples"],
            config={
                "engine": "transformers",
                **versions(serving.settings),
                "device": ready["device"],
                "dtype": serving.dtype,
                "threads": serving.threads,
                "decoding": ready["decoding"],
                "rows": ready["rows"],
                "settings": dict(serving.settings),
            },
            log=serving.log,
            rows=ready["rows"],
            context=ready["context"],
        )


def check_values(settings: Mapping[str, str]) -> None:
    """Check the values of the settings.

    Raises:
        InputError: a value is invalid.
    """
    kv_memory("transformers", settings)


HERE = Path(__file__).parent
ENGINE = Engine(
    name="transformers",
    start=start,
    versions=versions,
    kit={
        "__init__.py": HERE / "transformers_kit.py",
        "generation.py": HERE / "generation.py",
        "sampling.py": HERE / "sampling.py",
        "slots.py": HERE / "slots.py",
    },
    settings={"kv_memory": "memory for keys and values in GiB; default: half of the free memory (GPU: 80 %)"},
    check_values=check_values,
)
