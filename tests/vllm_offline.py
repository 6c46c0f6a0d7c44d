"""Greedy completions of many checkpoints with vLLM in one process. Used by `vllm_here`.

Stand-alone: `VLLM_PYTHON -I vllm_offline.py` reads JSON from standard input (`checkpoints`, `prompts`: token ids,
`max_tokens`, `dtype`) and prints, as its last line, one list of token id lists for each checkpoint; for a checkpoint
that cannot be loaded, the reason.
"""

import gc
import json
import os
import sys


def main() -> None:
    """Load one checkpoint after another."""
    order = json.loads(sys.stdin.read())
    os.environ["VLLM_ENABLE_V1_MULTIPROCESSING"] = "0"
    from vllm import LLM, SamplingParams

    results: list[object] = []
    for checkpoint in order["checkpoints"]:
        try:
            model = LLM(
                checkpoint,
                dtype=order["dtype"],
                enforce_eager=True,
                kv_cache_memory_bytes=2**29,
                max_num_seqs=16,
                distributed_executor_backend="uni",
            )
            sampling = SamplingParams(temperature=0.0, max_tokens=order["max_tokens"])
            prompts = [{"prompt_token_ids": prompt} for prompt in order["prompts"]]
            outputs = model.generate(prompts, sampling, use_tqdm=False)
            results.append([list(output.outputs[0].token_ids) for output in outputs])
            del model, outputs
            gc.collect()
        except Exception as error:
            results.append(f"{type(error).__name__}: {error}")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
