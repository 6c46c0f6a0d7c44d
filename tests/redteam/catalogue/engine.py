"""The transformers engine in this process: the same generator and server, but the libraries are loaded once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

from posttrainbench.engines import Engine, EngineLoadError, Serving

KEY = "key"


@contextmanager
def start(serving: Serving) -> Iterator[Engine]:
    """Serve a checkpoint; see `StartEngine`."""
    import torch

    from posttrainbench.engines.generation import Generator
    from posttrainbench.engines.transformers_server import build_app

    torch.set_num_threads(serving.threads or 1)
    serving.log.touch()
    try:
        generator = Generator(serving.checkpoint, serving.template, serving.decoding)
    except Exception as error:
        raise EngineLoadError(str(error)) from error
    server = uvicorn.Server(uvicorn.Config(build_app(generator, KEY), log_level="critical", lifespan="off"))
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(128)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        try:
            yield Engine(
                base_url=f"http://127.0.0.1:{listening.getsockname()[1]}/v1",
                api_key=KEY,
                connections=16,
                greedy=not generator.sample,
                config={"engine": "transformers, in the process of the tests"},
                log=serving.log,
            )
        finally:
            server.should_exit = True
            thread.join()
