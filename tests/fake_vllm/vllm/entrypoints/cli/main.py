"""Stands in for `vllm serve` where a real one would take too long to start: the same options and HTTP surface.

Takes the options that the engine gives and refuses others, and other names of the model; asks for the key in
`VLLM_API_KEY`; runs a worker process, as vLLM does, which ends only when it is told to.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import uvicorn

from posttrainbench.engines.generation import Generator
from posttrainbench.engines.transformers_server import build_app

OPTIONS = ("host", "uvicorn-log-level", "chat-template", "generation-config", "dtype")


def main() -> None:
    parser = argparse.ArgumentParser(prog="vllm", allow_abbrev=False)
    serve = parser.add_subparsers(required=True).add_parser("serve", allow_abbrev=False)
    serve.add_argument("model")
    serve.add_argument("--served-model-name", nargs="+", required=True)
    for option in OPTIONS:
        serve.add_argument(f"--{option}", required=True)
    serve.add_argument("--port", type=int, required=True)
    serve.add_argument("--gpu-memory-utilization", type=float)
    serve.add_argument("--kv-cache-memory-bytes", type=int)
    serve.add_argument("--max-model-len", type=int)
    serve.add_argument("--max-num-seqs", type=int)
    serve.add_argument("--tensor-parallel-size", type=int)
    serve.add_argument("--enforce-eager", action="store_true")
    serve.add_argument("--no-enable-chunked-prefill", action="store_true")
    options = parser.parse_args()
    key = os.environ["VLLM_API_KEY"]
    worker = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)  # vllm-worker"])
    tempfile.mkstemp()  # vLLM leaves files
    print(f"options: {vars(options)}", flush=True)
    decoding = json.loads((Path(options.generation_config) / "generation_config.json").read_text())
    sampling = {name: value for name, value in decoding.items() if not name.endswith("_token_id")}
    template = Path(options.chat_template).read_text()
    generator = Generator(Path(options.model), template, sampling, options.dtype)
    app = build_app(generator, key, options.served_model_name)
    uvicorn.run(app, host=options.host, port=options.port, log_level=options.uvicorn_log_level)
    worker.kill()
