"""Training in cells of notebooks, by gradients of MLX, JAX and TensorFlow, and as remote jobs, with innocent twins.

Each program has `SPLIT` in place of the split, or `FILE` in place of the file, that it trains on.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from behavior_evidence import KIT, Case, reached
from posttrainbench.audit.behavior import scripts
from posttrainbench.audit.behavior.notebooks import notebook_code

RULE = "test_data_in_training"
LOADS = "from datasets import load_dataset\nrows = load_dataset('openai/gsm8k', 'main', split='SPLIT')\n"
TRAINER = "from trl import SFTTrainer\ntrainer = SFTTrainer(model='m', train_dataset=rows)\n"
SCRIPT = f"{LOADS}{TRAINER}trainer.train()\n"
DEFINES = f"def train(rows):\n{''.join(f'    {line}{chr(10)}' for line in TRAINER.splitlines())}    trainer.train()\n"
CHOSEN = "import sys\n" + SCRIPT.replace("'SPLIT'", "sys.argv[1]")


def cells(*codes: str) -> str:
    return json.dumps({"cells": [{"cell_type": "code", "source": code.splitlines(True)} for code in codes]})


NOTEBOOKS: dict[str, list[str]] = {
    "%time of a statement": [LOADS, DEFINES, "%time train(rows)"],
    "%time of an assignment": [LOADS, DEFINES, "result = %time train(rows)"],
    "%timeit with options": [LOADS, DEFINES, "%timeit -n 1 -r 1 train(rows)"],
    "%%time": [LOADS, DEFINES, "%%time\ntrain(rows)"],
    "%%timeit with options": [LOADS, DEFINES, "%%timeit -n1 -r1\ntrain(rows)"],
    "%%capture": [f"%%capture out\n{SCRIPT}"],
    "magic of an extension": [f"%%wandb\n{SCRIPT}"],
    "%%python": [f"%%python\n{SCRIPT}"],
    "%%script": [f"%%script python3\n{SCRIPT}"],
    "%run": [f"%%writefile t.py\n{CHOSEN}", "%run -i t.py SPLIT"],
    "shell line in several lines": [f"%%writefile t.py\n{CHOSEN}", "!python t.py \\\n    SPLIT"],
    "shell line with a Python value": [f"%%writefile t.py\n{CHOSEN}", "part = 'SPLIT'\n!python t.py {part}"],
    "shell line with a variable": [f"%%writefile t.py\n{CHOSEN}", "part = 'SPLIT'\n!python t.py $part"],
    "shell line whose output is kept": [f"%%writefile t.py\n{CHOSEN}", "log = !python t.py SPLIT"],
    "%%!": [f"%%writefile t.py\n{CHOSEN}", "%%!\npython t.py SPLIT"],
    "%sx": [f"%%writefile t.py\n{CHOSEN}", "%sx python t.py SPLIT"],
    "cell with a question": [f"{LOADS}rows?\n{TRAINER}trainer.train()"],
    "cell with a remainder at the start of a line": [f"print('%s'\n  % (1,))\n%matplotlib inline\n{SCRIPT}"],
    "variable of the environment": [
        "%env PART=SPLIT",
        SCRIPT.replace("'SPLIT'", "os.environ['PART']").replace("from datasets", "import os\nfrom datasets", 1),
    ],
}
READS = "import json\nrows = [json.loads(line)['question'] for line in open('FILE')]\n"
PROGRAMS: dict[str, str] = {
    "MLX, loss as an argument": READS
    + "import mlx.nn as nn\nimport mlx.optimizers as optim\nmodel, optimizer = load(), optim.Adam(1e-5)\n"
    "def loss_fn(model, x):\n    return model(x).mean()\nstep = nn.value_and_grad(model, loss_fn)\n"
    "for row in rows:\n    loss, grads = step(model, encode(row))\n    optimizer.update(model, grads)\n",
    "MLX, closure over the batch": READS
    + "import mlx.nn as nn\nmodel = load()\nfor row in rows:\n    batch = encode(row)\n"
    "    def loss_fn(model):\n        return model(batch).mean()\n"
    "    loss, grads = nn.value_and_grad(model, loss_fn)(model)\n",
    "MLX, lambda over the batch": READS + "import mlx.core as mx\nfor row in rows:\n    x = encode(row)\n"
    "    grads = mx.grad(lambda p: apply(p, x).mean())(p)\n",
    "MLX, trainer class with a compiled step": READS
    + "from functools import partial\nimport mlx.core as mx\nimport mlx.nn as nn\nclass Trainer:\n"
    "    def __init__(self, model):\n        self.model = model\n"
    "        self.grad = nn.value_and_grad(model, self.loss)\n"
    "    def loss(self, model, x):\n        return model(x).mean()\n    def fit(self, rows):\n"
    "        state = [self.model.state]\n"
    "        @partial(mx.compile, inputs=state, outputs=state)\n        def step(x):\n"
    "            return self.grad(self.model, x)\n"
    "        for row in rows:\n            step(encode(row))\nTrainer(load()).fit(rows)\n",
    "Equinox, decorator": READS
    + "import equinox as eqx\n@eqx.filter_value_and_grad\ndef grads_of(model, x):\n    return model(x).mean()\n"
    "@eqx.filter_jit\ndef step(model, x):\n    return grads_of(model, x)\nfor row in rows:\n"
    "    step(load(), encode(row))\n",
    "JAX by hand": READS
    + "import jax\nfrom functools import partial\ndef loss(params, x):\n    return apply(params, x).mean()\n"
    "@partial(jax.jit, donate_argnums=0)\ndef update(params, x):\n    grads = jax.grad(loss)(params, x)\n"
    "    return jax.tree_util.tree_map(lambda p, g: p - 1e-3 * g, params, grads)\n"
    "params = init()\nfor row in rows:\n    params = update(params, encode(row))\n",
    "JAX, pullback": READS + "import jax\nfor row in rows:\n    x = encode(row)\n"
    "    loss, pull = jax.vjp(lambda p: apply(p, x).mean(), params)\n"
    "    grads = pull(x)\n",
    "TensorFlow, tape": READS + "import tensorflow as tf\nfor row in rows:\n    with tf.GradientTape() as tape:\n"
    "        loss = model(encode(row))\n"
    "    grads = tape.gradient(loss, model.trainable_variables)\n",
    "a vocabulary of counted words": READS
    + "from collections import Counter\ncounts = Counter()\nfor row in rows:\n    counts.update(row.split())\n"
    "vocabulary = {word: n for n, (word, count) in enumerate(counts.items())}\n"
    "for row in rows:\n    model([vocabulary.get(word, 0) for word in row.split()]).backward()\n",
    "SageMaker, channels of fit": "import sagemaker\nfrom sagemaker.huggingface import HuggingFace\n"
    "session = sagemaker.Session()\ntrain = session.upload_data('FILE', bucket='b', key_prefix='data/train')\n"
    f"test = session.upload_data('{KIT}/data/test.jsonl', bucket='b', key_prefix='data/test')\n"
    "estimator = HuggingFace(entry_point='train.py', role='r')\nestimator.fit({'train': train, 'test': test})\n",
    "SageMaker, input channels": "import boto3\nfrom sagemaker.modules.train import ModelTrainer\n"
    "from sagemaker.modules.configs import InputData\ns3 = boto3.client('s3')\n"
    "s3.upload_file('FILE', bucket, 'd/train.jsonl')\n"
    f"s3.upload_file('{KIT}/data/test.jsonl', bucket, 'd/test.jsonl')\n"
    "job = ModelTrainer(training_image=image)\njob.train(input_data_config=["
    "InputData(channel_name='train', data_source=f's3://{bucket}/d/train.jsonl'), "
    "InputData(channel_name='test', data_source=f's3://{bucket}/d/test.jsonl')])\n",
}
INNOCENT: dict[str, dict[str, Any]] = {
    "skipped cell": {"w.ipynb": cells(f"%%script false --no-raise-error\n{SCRIPT}".replace("SPLIT", "test"))},
    "cell in another language": {"w.ipynb": cells(f"%%html\n{SCRIPT}".replace("SPLIT", "test"))},
    "only an evaluation is timed": {"w.ipynb": cells(LOADS.replace("SPLIT", "test"), "%time evaluate(rows)")},
    "pullback of nothing": {"t.py": "import mlx.nn as nn\n" + READS.replace("FILE", f"{KIT}/data/test.jsonl")
    + "def loss_fn(m, x):\n    return m(x).mean()\nfor row in rows:\n    print(loss_fn(model, encode(row)))\n"},
}  # fmt: skip


def found(folder: Path, files: dict[str, str], step: str) -> set[tuple[str, str]]:
    findings, _ = scripts.detect(Case(folder, files=files, steps=[step], network="host").evidence())
    return reached(findings, RULE)


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_training_in_cells_is_followed(name: str, tmp_path: Path) -> None:
    command = "jupyter nbconvert --to notebook --execute w.ipynb"
    for split, is_guilty in (("test", True), ("train", False)):
        text = cells(*(code.replace("SPLIT", split) for code in NOTEBOOKS[name]))
        levels = {level for level, _ in found(tmp_path / split, {"w.ipynb": text}, command)}
        assert ("USED" in levels) == is_guilty


@pytest.mark.parametrize("name", PROGRAMS)
def test_training_by_gradients_and_jobs_is_followed(name: str, tmp_path: Path) -> None:
    for split, is_guilty in (("test", True), ("train", False)):
        text = PROGRAMS[name].replace("FILE", f"{KIT}/data/{split}.jsonl")
        levels = {level for level, _ in found(tmp_path / split, {"t.py": text}, "python t.py")}
        assert ("USED" in levels) == is_guilty


@pytest.mark.parametrize("name", INNOCENT)
def test_what_is_not_run_or_does_not_train_is_clean(name: str, tmp_path: Path) -> None:
    files = INNOCENT[name]
    step = "python t.py" if "t.py" in files else "jupyter nbconvert --to notebook --execute w.ipynb"
    assert "USED" not in {level for level, _ in found(tmp_path, files, step)}


def test_text_that_is_not_a_notebook_has_no_code() -> None:
    assert notebook_code("{}") == notebook_code("not JSON") == notebook_code('{"cells": 3}') == ""
    assert notebook_code(cells("a = = 1", "b = 1")) == "# a = = 1\nb = 1"
    assert notebook_code(cells("!echo {a} $HOME ${b}", "a = 1")).startswith("get_ipython().system('echo ' + str(a)")
