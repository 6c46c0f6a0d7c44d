"""Check what real libraries save: `python bench/real_saves.py [--vllm PYTHON]`.

Trains small random models with the shapes of the official base models in transformers 4.57 and 5, in PEFT and in TRL,
saves them as these libraries do, and prints for each save what the final check decides and whether the canonical
checkpoint gives the same tokens as the model that was saved. Downloads the libraries; takes about two minutes. With an
interpreter that has vLLM, one save of each kind of base model is also served by vLLM and by the transformers engine,
and their greedy answers are compared; takes about a minute more for each.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch
from openai import OpenAI
from rich.console import Console
from rich.table import Table
from transformers import AutoModelForCausalLM
from transformers.utils import logging

from posttrainbench.engines import Serving, load_engine
from posttrainbench.submission.sanitize import sanitize

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from submission_variants import PROMPTS, build_base  # type: ignore[import-not-found]

BASES = ("qwen3", "smollm3", "gemma3", "gemma3_text")
LIBRARIES = {
    "4.57": (
        *("transformers==4.57.6", "tokenizers==0.22.2", "huggingface-hub==0.36.2", "datasets==4.4.1"),
        *("peft==0.18.1", "trl==0.24.0"),
    ),
    "5": ("peft>=0.18", "trl>=0.29"),
}
"""Packages, installed without dependencies, that come before those of this environment."""
SERVED = "one token more, padded to 64"
TEMPLATE = "{% for message in messages %}{{ message.content }}{% endfor %}"
SIZES = {"hidden_size": 128, "head_dim": 64}
"""vLLM has no attention for the tests' smaller heads."""
VLLM = {"memory_fraction": "0.1", "enforce_eager": "1", "max_num_seqs": "16"}
EXPECTED = {"adapter alone": "broken"}
TOKENS = [5, 6, 7, 8]

PROGRAM = """
import json, shutil, sys
from pathlib import Path
import torch
from datasets import Dataset
from peft import LoraConfig, get_peft_model
from transformers import AutoModelForCausalLM, PreTrainedTokenizerFast
from trl import SFTConfig, SFTTrainer

base, out, tokens = Path(sys.argv[1]), Path(sys.argv[2]), json.loads(sys.argv[3])
torch.manual_seed(0)
tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(base / "tokenizer.json"))
tokenizer.pad_token = tokenizer.eos_token = tokenizer.convert_ids_to_tokens(0)

def trained(dtype=torch.bfloat16):
    model = AutoModelForCausalLM.from_pretrained(base, torch_dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
    return model

def note(name, model):
    ids = torch.tensor([tokens])
    model = model.eval().float().cpu()
    with torch.no_grad():
        for _ in range(4):
            ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(-1)], 1)
    (out / name / "tokens.json").write_text(json.dumps(ids[0].tolist()))

def save(name, model, **options):
    model.save_pretrained(out / name, **options)
    tokenizer.save_pretrained(out / name)
    note(name, model)

save("bfloat16", trained())
save("float16", trained(torch.float16))
save("float32 in shards", trained(torch.float32), max_shard_size="100KB")
model = trained()
model.resize_token_embeddings(len(tokenizer))
save("resized to the tokenizer", model)
model = trained()
model.resize_token_embeddings(len(tokenizer) + 1, pad_to_multiple_of=64)
save("one token more, padded to 64", model)
adapted = get_peft_model(trained(), LoraConfig(target_modules=["q_proj", "up_proj"], r=4, init_lora_weights=False))
save("adapter alone", adapted)
save("adapter merged", adapted.merge_and_unload())
rows = Dataset.from_list([{"prompt": "What is 1 + 1?", "completion": " 2"}] * 4)
config = SFTConfig(
    output_dir=str(out / "trl"), max_steps=1, save_steps=1, per_device_train_batch_size=2, report_to="none",
    bf16=False, use_cpu=True,
)
trainer = SFTTrainer(model=trained(torch.float32), args=config, train_dataset=rows, processing_class=tokenizer)
trainer.train()
trainer.save_model(str(out / "TRL"))
(out / "trl" / "checkpoint-1").rename(out / "checkpoint of TRL")
shutil.rmtree(out / "trl")
note("TRL", trainer.model)
shutil.copy(out / "TRL" / "tokens.json", out / "checkpoint of TRL")
"""


def greedy(folder: Path) -> list[int]:
    """Return `TOKENS` and the next four tokens."""
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
    ids = torch.tensor([TOKENS])
    with torch.no_grad():
        for _ in range(4):
            ids = torch.cat([ids, model(input_ids=ids).logits[:, -1:].argmax(-1)], 1)
    return list(map(int, ids[0]))


def answers(engine: str, checkpoint: Path, settings: dict[str, str]) -> list[str]:
    """Return an engine's greedy answers of four tokens to `PROMPTS`."""
    log = checkpoint.with_suffix(f".{engine}.log")
    serving = Serving(checkpoint, TEMPLATE, log, threads=1, decoding={"temperature": 0.0}, settings=settings)
    with (
        load_engine(engine).serve(serving) as endpoint,
        OpenAI(base_url=endpoint.base_url, api_key=endpoint.api_key) as client,
    ):
        model = next(iter(client.models.list())).id if engine == "vllm" else "checkpoint"
        replies = [
            client.chat.completions.create(model=model, max_tokens=4, messages=[{"role": "user", "content": prompt}])
            for prompt in PROMPTS
        ]
    return [str(reply.choices[0].message.content) for reply in replies]


def main() -> None:
    """Print one row for each save."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--vllm", metavar="PYTHON", help="interpreter that has vLLM")
    vllm = parser.parse_args().vllm
    logging.disable_progress_bar()
    table = Table("base", "transformers", "save", "decision", "tokens", "engines", box=None)
    wrong = 0
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "save.py").write_text(PROGRAM)
        for version, packages in LIBRARIES.items():
            place = root / f"libraries-{version}"
            install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", place, *packages]
            subprocess.run(list(map(str, install)), check=True)
            for base_name in BASES:
                base = build_base(base_name, root / f"{base_name}-{version}", **SIZES)
                saves = root / f"{base_name}-{version}-saves"
                saves.mkdir()
                environment = os.environ | {"PYTHONPATH": str(place), "HF_HUB_OFFLINE": "1"}
                command = [sys.executable, root / "save.py", base, saves, json.dumps(TOKENS)]
                done = subprocess.run(command, env=environment, check=False, capture_output=True, text=True)
                if done.returncode != 0:
                    sys.exit(f"{base_name} with transformers {version}: {done.stderr[-2000:]}")
                for save in sorted(saves.iterdir()):
                    expected = json.loads((save / "tokens.json").read_text())
                    (save / "tokens.json").unlink()
                    (canonical := root / f"{save.name}-{base_name}-{version}").mkdir()
                    manifest = sanitize(save, canonical, base, lambda: PROMPTS)
                    same = engines = "-"
                    if manifest.state == "accepted":
                        same = "same" if greedy(canonical) == expected else "DIFFERENT"
                    wrong += manifest.state != EXPECTED.get(save.name, "accepted") or same == "DIFFERENT"
                    if vllm and save.name == SERVED:
                        settings = VLLM | {"python": vllm}
                        equal = answers("vllm", canonical, settings) == answers("transformers", canonical, {})
                        engines = "same" if equal else "DIFFERENT"
                        wrong += not equal
                    table.add_row(base_name, version, save.name, manifest.state, same, engines)
    Console().print(table)
    print(f"{table.row_count} saves, {wrong} wrong")
    sys.exit(wrong > 0)


if __name__ == "__main__":
    main()
