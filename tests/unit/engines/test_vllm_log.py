"""Why vLLM failed, from its log. The logs are those of vLLM 0.32.0, shortened."""

import pytest

from posttrainbench.engines.vllm_log import root_cause

WORKER = "(Worker pid=7) ERROR 11-29 22:31:38 [multiproc_executor.py:953]"
CORE = "(EngineCore pid=6) ERROR 11-29 22:31:41 [core.py:1510]"
WRONG_SIZE = f"""\
(APIServer pid=5) WARNING 11-29 22:31:06 [utils.py:255] Found ulimit of 20000 and with OSError: [Errno 24] Too many
{WORKER} Traceback (most recent call last):
{WORKER}   File "vocab_parallel_embedding.py", line 519, in weight_loader
{WORKER}     param[: loaded_weight.shape[0]].data.copy_(loaded_weight)
{WORKER} RuntimeError: The size of tensor a (64) must match the size of tensor b (96)
(EngineCore pid=6) INFO 11-29 22:31:38 [multiproc_executor.py:479] [shutdown] Executor: waiting for worker exit count=1
{CORE} EngineCore failed to start.
{CORE} Traceback (most recent call last):
{CORE}     raise e from None
{CORE} Exception: WorkerProc initialization failed due to an exception in a background process. See stack trace.
Traceback (most recent call last):
  File "/vllm/v1/engine/utils.py", line 1431, in wait_for_engine_startup
    raise RuntimeError(
RuntimeError: Engine core initialization failed. See root cause above. Failed core proc(s): {{'EngineCore': 1}}
"""
REGISTRY = "(APIServer pid=5) ERROR 11-29 22:34:42 [registry.py:1120]"
MISSING_LIBRARY = f"""\
{REGISTRY} Error in inspecting model architecture 'Gemma3ForConditionalGeneration'
{REGISTRY} Traceback (most recent call last):
{REGISTRY}     raise CalledProcessError(self.returncode, self.args, self.stdout,
{REGISTRY} subprocess.CalledProcessError: Command '['python']' returned non-zero exit status 1.
{REGISTRY}
{REGISTRY} The above exception was the direct cause of the following exception:
{REGISTRY}
{REGISTRY} Traceback (most recent call last):
{REGISTRY}     raise RuntimeError(
{REGISTRY} RuntimeError: Error raised in subprocess:
{REGISTRY} Traceback (most recent call last):
{REGISTRY}     from torchvision.transforms.v2 import functional as tvF
{REGISTRY} ModuleNotFoundError: No module named 'torchvision'
Traceback (most recent call last):
  File "<string>", line 11, in <module>
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, Model architectures failed to be inspected.
"""
NO_VERSION = """\
Traceback (most recent call last):
  File "/lib/importlib/metadata/__init__.py", line 563, in from_name
    return next(cls.discover(name=name))
StopIteration

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "/bin/vllm", line 8, in <module>
importlib.metadata.PackageNotFoundError: No package metadata was found for vllm
"""
INVALID_VALUE = """\
Traceback (most recent call last):
  File "<string>", line 11, in <module>
pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig
  Value error, max_model_len (9) is greater than the model's.
"""
KILLED = """\
(EngineCore pid=6) ERROR 11-29 22:31:41 [executor.py:300] Worker proc VllmWorker-0 died unexpectedly, shutting down.
(APIServer pid=5) Traceback (most recent call last):
(APIServer pid=5)     raise EngineDeadError() from e
(APIServer pid=5) vllm.v1.engine.exceptions.EngineDeadError: EngineCore encountered an issue. See stack trace.
"""

OPTION = "vllm serve: error: unrecognized arguments: --color red"


@pytest.mark.parametrize(
    ("log", "cause"),
    [
        ("(APIServer pid=5) INFO 11-29 22:31:06 [utils.py:1] version 0.32.0\n", None),
        (WRONG_SIZE, "RuntimeError: The size of tensor a (64) must match the size of tensor b (96)"),
        (MISSING_LIBRARY, "ModuleNotFoundError: No module named 'torchvision'"),
        (NO_VERSION, "importlib.metadata.PackageNotFoundError: No package metadata was found for vllm"),
        (
            INVALID_VALUE,
            "pydantic_core._pydantic_core.ValidationError: 1 validation error for ModelConfig "
            "Value error, max_model_len (9) is greater than the model's.",
        ),
        (KILLED, "Worker proc VllmWorker-0 died unexpectedly, shutting down."),
        (f"{OPTION}\n", OPTION),
        ("OSError: libcudart.so.12: cannot open\n", "OSError: libcudart.so.12: cannot open"),
    ],
    ids=["none", "wrong size", "missing library", "chained", "invalid value", "killed", "option", "wrapper"],
)  # fmt: skip
def test_the_first_exception_that_is_no_echo_is_the_cause(log: str, cause: str | None) -> None:
    assert root_cause(log) == cause


def test_a_text_that_looks_like_an_exception_is_none_outside_a_traceback() -> None:
    assert root_cause("(APIServer pid=5) INFO 11-29 22:31:06 [utils.py:1] chat template: SomeError: reason\n") is None
