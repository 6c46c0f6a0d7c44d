"""The fix that a failure of vLLM names if its memory does not suffice."""

import pytest

from posttrainbench.engines.vllm_engine import memory_hint

NO_CACHE = (
    "ValueError: Available memory on node 0 (6.53/8.71 GiB) on kv cache allocation is less than requested memory for "
    "kv (-0.17/0.43 GiB). Reduce CPU memory used by other processes."
)
NO_START = (
    "ValueError: Free memory on device cuda:0 (10.1/79.1 GiB) on startup is less than desired GPU memory utilization "
    "(0.9, 71.2 GiB). Decrease GPU memory utilization or reduce GPU memory used by other processes."
)
NO_BLOCKS = (
    "ValueError: No available memory for the cache blocks. Try increasing `gpu_memory_utilization` when initializing "
    "the engine."
)


@pytest.mark.parametrize("cause", [NO_CACHE, NO_START, NO_BLOCKS])
def test_settings_are_named_where_memory_does_not_suffice(cause: str) -> None:
    assert "kv_memory or memory_fraction" in memory_hint(cause)


@pytest.mark.parametrize(
    "cause",
    [
        "RuntimeError: The size of tensor a (64) must match the size of tensor b (32)",
        "it was killed (SIGKILL), which the kernel does when memory runs out",
        "KeyError: 'memory.weight'",
    ],
)
def test_other_causes_get_no_hint(cause: str) -> None:
    assert memory_hint(cause) == ""
