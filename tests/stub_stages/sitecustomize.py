"""Replace the stages of runs in `ptb job` for tests of schedulers: an agent waits for the file `go`, or a time.

Python imports this module at its start if its directory is on PYTHONPATH. Everything else is real: the job, its lock,
its journal, its executions.
"""

import json
import os
import sys
import time

if "job" in getattr(sys, "orig_argv", []):
    import psutil

    from posttrainbench.errors import InfrastructureError
    from posttrainbench.records import Result, Stage, Status
    from posttrainbench.run import pipeline

    def _write(run, what):
        # Of Ray, the process that started the worker stands for the node.
        node = os.environ.get("SLURMD_NODENAME") or str(psutil.Process(os.getppid()).ppid())
        gpus = os.environ.get("CUDA_VISIBLE_DEVICES")
        entry = {"what": what, "run": run.root.name, "node": node, "gpus": gpus, "time": time.time()}
        with (run.root.parent / "log").open("a") as file:
            file.write(json.dumps(entry) + "\n")

    def _solve(run, out, listener):
        _write(run, "begin")
        if (run.root / "fail").exists():
            (run.root / "fail").unlink()
            raise InfrastructureError("gpu_busy", "The GPU is busy.")
        end = time.monotonic() + float(os.environ.get("PTB_STUB_SECONDS", "inf"))
        while time.monotonic() < end and not (run.root.parent / "go").exists():
            time.sleep(0.1)
        _write(run, "end")

    def _settle(run):
        _write(run, "settle")
        none = dict.fromkeys(("score", "raw_score", "base_score", "instruct_score"))
        result = Result(run=run.spec.run, status=Status.SCORED, verdict={}, reasons=[], evidence=[], **none)
        (run.root / "result.json").write_text(result.model_dump_json())

    for _stage in list(pipeline.STAGES):
        pipeline.STAGES[_stage] = lambda run, out, listener: None
    pipeline.STAGES[Stage.SOLVE] = _solve
    pipeline.settle = _settle
