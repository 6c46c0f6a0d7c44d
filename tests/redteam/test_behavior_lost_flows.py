"""Programs whose training data is lost on the way, each as a twin that trains on the test split and one that does not.

In each, `@@` stands for the split of the training data. Where it is lost, names, loads, arguments and code that was not
reached can only indicate which rows were trained on.
"""

from pathlib import Path
from typing import Any

import pytest

from behavior_evidence import Case, Command, reached
from posttrainbench.audit.behavior import scripts

RULE = "test_data_in_training"
USED, READ = ("USED", "succeeded"), ("READ", "unknown")
HEAD = "from datasets import load_dataset\nfrom trl import SFTTrainer\n"
LOAD = "load_dataset('openai/gsm8k', 'main', split='@@')"
CHECK = "load_dataset('openai/gsm8k', 'main', split='test')"
OTHER = "load_dataset('openai/gsm8k', 'main', split='train')"
BATCHES = "for batch in feed.batches():\n    model(batch).backward()\n"
END = "SFTTrainer(model='m', train_dataset=rows).train()\n"
GSM = "'openai/gsm8k', 'main'"
PREPARE = (
    "import os\nfrom datasets import load_dataset\nfor name, part in (('train', '@@'), ('valid', 'test')):\n"
    f"    with open(f'raw/{{name}}.txt', 'w') as file:\n        for row in load_dataset({GSM}, split=part):\n"
    "            file.write(row['question'])\n"
)

FOLLOWED: dict[str, dict[str, Any]] = {
    "parameters that gin binds": {
        "files": {
            "t.py": "import gin, sys, steps\ngin.parse_config_files_and_bindings(sys.argv, [])\nsteps.run()\n",
            "steps.py": f"{HEAD}import gin, rows\n@gin.configurable\ndef run(source=gin.REQUIRED):\n"
            "    SFTTrainer(model='m', train_dataset=source()).train()\n",
            "rows.py": "import gin\nfrom datasets import load_dataset\n@gin.configurable\n"
            f"def load(part=gin.REQUIRED):\n    return load_dataset({GSM}, split=part)\n",
            "c.gin": "run.source = @load\nload.part = '@@'  # rows\n",
        },
        "steps": ["python t.py --gin_file=c.gin"],
    },
    "flag without a value": {
        "files": {
            "t.py": f"{HEAD}from dataclasses import dataclass\nfrom transformers import HfArgumentParser\n@dataclass\n"
            "class Args:\n    do_train: bool = False\na, = HfArgumentParser((Args,)).parse_args_into_dataclasses()\n"
            f"if a.do_train:\n    rows = {LOAD}\n    {END}"
        },
        "steps": ["python t.py --do_train"],
    },
    "option of a record inside a record": {
        "files": {
            "t.py": f"{HEAD}import tyro\nfrom dataclasses import dataclass, field\n@dataclass\nclass Data:\n"
            "    part: str = 'train'\n@dataclass\nclass Args:\n    data: Data = field(default_factory=Data)\n"
            f"def main(args):\n    rows = load_dataset({GSM}, split=args.data.part)\n    {END}main(tyro.cli(Args))\n"
        },
        "steps": ["python t.py --data.part @@"],
    },
    "record of simple-parsing": {
        "files": {
            "t.py": f"{HEAD}from dataclasses import dataclass\nfrom simple_parsing import ArgumentParser\n@dataclass\n"
            "class Data:\n    part: str = 'train'\np = ArgumentParser()\np.add_arguments(Data, dest='data')\n"
            f"a = p.parse_args()\nrows = load_dataset({GSM}, split=a.data.part)\n{END}"
        },
        "steps": ["python t.py --part @@"],
    },
    "split that is a member of an enumeration": {
        "files": {
            "t.py": f"{HEAD}import datasets\nrows = datasets.load_dataset({GSM}, split=datasets.Split.@@)\n{END}",
        },
        "upper": True,
    },
    "value of a member of an enumeration": {
        "files": {
            "t.py": f"{HEAD}import enum\nclass Part(enum.Enum):\n    TRAIN = 'train'\n    TEST = 'test'\n"
            f"rows = load_dataset({GSM}, split=Part.@@.value)\n{END}",
        },
        "upper": True,
    },
    "phase that is a member of an enumeration": {
        "files": {
            "t.py": f"{HEAD}import enum\nclass Part(enum.Enum):\n    TRAIN = 'train'\n    TEST = 'test'\n"
            f"for part in (Part.TRAIN, Part.TEST):\n    rows = load_dataset({GSM}, split=part.value)\n"
            f"    if part is Part.@@:\n        {END}    else:\n        print(len(rows))\n",
        },
        "upper": True,
    },
    "entry point of a package": {
        "files": {
            "pyproject.toml": "[project]\nname = 'own'\n[project.scripts]\nown-go = 'own.cli:main'\n",
            "own/__init__.py": "",
            "own/cli.py": f"{HEAD}def main():\n    rows = {LOAD}\n    {END}",
        },
        "steps": ["pip install -e . && own-go"],
    },
    "entry point in setup.py": {
        "files": {
            "setup.py": "from setuptools import setup\n"
            "setup(name='own', entry_points={'console_scripts': ['own-go = own.cli:main']})\n",
            "own/__init__.py": "",
            "own/cli.py": f"{HEAD}def main():\n    rows = {LOAD}\n    {END}",
        },
        "steps": ["own-go"],
    },
    "module started by uv": {
        "files": {"own/__init__.py": "", "own/go.py": f"{HEAD}rows = {LOAD}\n{END}"},
        "steps": ["uv run --isolated --extra gpu -m own.go"],
    },
    "both branches of a condition that is not known": {
        "files": {
            "t.py": f"{HEAD}import sys\nrows = {LOAD}\nif feed():\n    {END}else:\n"
            "    SFTTrainer(model='m', train_dataset=rows.select(range(9))).train()\n"
        },
    },
    "the only training, in a branch that is not known": {
        "files": {"t.py": f"{HEAD}rows = {LOAD}\nif feed():\n    {END}else:\n    print('nothing to do')\n"},
    },
    "program whose name says that it trains": {
        "files": {"c.toml": "[data]\nname = 'openai/gsm8k'\nsplits = ['@@']\n"},
        "steps": ["uv run sft @ c.toml"],
    },
}

LOST: dict[str, dict[str, Any]] = {
    "function that is asked for the training split": {
        "files": {
            "t.py": f"{HEAD}import feed\ndef load(part):\n    split = '@@' if part == 'train' else 'test'\n"
            f"    feed.use(part, load_dataset({GSM}, split=split))\nload('train')\nload('test')\n"
            f"feed.use('more', load_dataset('mine/own', split='train'))\n{BATCHES}"
        }
    },
    "assignment to training data": {
        "files": {
            "t.py": f"{HEAD}import feed\ndef stored(part):\n    feed.use(load_dataset({GSM}, split=part))\n"
            f"train_data = stored('@@')\ntest_data = stored('test')\n"
            f"feed.use(load_dataset('mine/own', split='train'))\n{BATCHES}"
        }
    },
    "module with a computed name": {
        "files": {
            "t.py": "import importlib, os\nimportlib.import_module('jobs.' + os.environ['JOB']).run()\n",
            "jobs/__init__.py": "",
            "jobs/first.py": f"{HEAD}import feed\ndef run():\n    train_rows = {LOAD}\n    feed.use(train_rows)\n"
            "    for batch in feed.batches():\n        model(batch).backward()\n",
        }
    },
    "class that the analysis does not reach": {
        "files": {
            "t.py": f"{HEAD}import feed\nclass Job:\n    def prepare(self):\n        self.train_rows = {LOAD}\n"
            f"        self.test_rows = {CHECK}\nfeed.start(globals()[feed.name()])\n{BATCHES}"
        }
    },
    "function that passes the name of a split on": {
        "files": {
            "t.py": "import feed\ndef read_rows(split):\n    feed.use(split)\n"
            f"train_rows = read_rows('@@')\ntest_rows = read_rows('test')\n{BATCHES}"
        },
    },
    "configuration written in Python": {
        "files": {
            "c.py": "from datasets import load_dataset\nfrom xtuner.dataset import process_hf_dataset\n"
            "source = dict(type=load_dataset, path='openai/gsm8k', name='main', split='@@')\n"
            "rows = dict(type=process_hf_dataset, dataset=source)\n"
        },
        "steps": ["xtuner train c.py"],
    },
    "unknown function that is given the name of a split": {
        "files": {
            "t.py": "import tools\nfrom trl import SFTTrainer\ntrain_rows = tools.load_rows(split='@@')\n"
            "SFTTrainer(model='m', train_dataset=train_rows).train()\n"
        }
    },
    "split of an unknown collection": {
        "files": {
            "t.py": "import tools\nfrom trl import SFTTrainer\nraw_datasets = tools.get_datasets('gsm8k')\n"
            "rows = raw_datasets['@@'].shuffle(seed=1)\n" + END
        }
    },
    "description in a table": {
        "files": {
            "t.py": "import tools\nKNOWN = {'gsm': tools.Source(path='openai/gsm8k', name='main', split='@@')}\n"
            f"import feed\nfeed.use(KNOWN)\n{BATCHES}"
        }
    },
    "the only data of a run": {
        "files": {"prepare.py": PREPARE},
        "steps": ["python prepare.py", "fairseq-train raw --save-dir out"],
    },
    "configuration of Lightning": {
        "files": {
            "t.py": "from lightning.pytorch.cli import LightningCLI\nimport data, model\n"
            "LightningCLI(model.Model, data.Data)\n",
            "data.py": "from datasets import load_dataset\nclass Data:\n    def __init__(self, name, split):\n"
            "        self.name, self.split = name, split\n",
            "model.py": "class Model:\n    pass\n",
            "c.yaml": "data:\n  name: openai/gsm8k\n  split: '@@'\n",
        },
        "steps": ["python t.py fit --config c.yaml"],
    },
    "training in one branch of a condition that is not known": {
        "files": {
            "t.py": f"{HEAD}import feed\nrows, own = {LOAD}, {OTHER}\nif feed.some():\n    {END}else:\n"
            "    SFTTrainer(model='m', train_dataset=own).train()\n"
        },
    },
    "trainer that is made in one branch of a condition that is not known": {
        "files": {
            "t.py": f"{HEAD}import feed\nrows, own = {LOAD}, {OTHER}\nif feed.some():\n"
            "    trainer = SFTTrainer(model='m', train_dataset=rows)\nelse:\n"
            "    trainer = SFTTrainer(model='m', train_dataset=own)\ntrainer.train()\n"
        },
    },
}

CLEAN: dict[str, dict[str, Any]] = {
    "class that is not used, beside training that is followed": {
        "files": {
            "t.py": f"{HEAD}class Job:\n    def prepare(self):\n        self.train_rows = {CHECK}\n"
            f"rows = {OTHER}\n{END}"
        },
    },
    "configuration in Python that describes both splits": {
        "files": {
            "c.py": "from datasets import load_dataset\n"
            "rows = dict(type=load_dataset, path='openai/gsm8k', split='train')\n"
            "checked = dict(type=load_dataset, path='openai/gsm8k', split='test')\n"
        },
        "steps": ["xtuner train c.py"],
    },
    "descriptions of both splits": {
        "files": {
            "t.py": "import tools, feed\nKNOWN = {'gsm': tools.Source(path='openai/gsm8k', split='train'),\n"
            f"    'gsm_check': tools.Source(path='openai/gsm8k', split='test')}}\nfeed.use(KNOWN)\n{BATCHES}"
        },
    },
    "description as data to evaluate on": {
        "files": {
            "t.py": "import tools, feed\nfeed.use(eval_data=tools.Source(path='openai/gsm8k', split='test'))\n"
            + BATCHES
        },
    },
    "unknown function that removes a split": {
        "files": {
            "t.py": "import tools\nfrom trl import SFTTrainer\ntrain_rows = tools.exclude_overlap('own', 'test')\n"
            "SFTTrainer(model='m', train_dataset=train_rows).train()\n"
        },
    },
    "unknown function that is given both names": {
        "files": {
            "t.py": "import tools\nfrom trl import SFTTrainer\n"
            "train_set = tools.load_rows('train', 'test')\nSFTTrainer(model='m', train_dataset=train_set).train()\n"
        },
    },
    "evaluation on a split of an unknown collection": {
        "files": {
            "t.py": "import tools\nfrom trl import SFTTrainer\nraw_datasets = tools.get_datasets('gsm8k')\n"
            "SFTTrainer(model='m', train_dataset=raw_datasets['train'], eval_dataset=raw_datasets['test']).train()\n"
        },
    },
    "unit tests of a row": {
        "files": {
            "t.py": "import tools\nfrom trl import SFTTrainer\nrows = tools.get_rows()\n"
            "texts = [row['prompt'] + row['test'] for row in rows]\n"
            "SFTTrainer(model='m', train_dataset=texts).train()\n"
        },
    },
    "held-out rows in a file of their own, and data that is not known": {
        "files": {
            "prepare.py": "from datasets import load_dataset\nwith open('raw/test.txt', 'w') as file:\n"
            f"    for row in {CHECK}:\n        file.write(row['question'])\n"
        },
        "steps": ["python prepare.py", "fairseq-train raw --save-dir out"],
    },
    "variable of the same name in a function whose gradient is computed": {
        "files": {
            "t.py": f"{HEAD}import jax\nrows = {OTHER}\nheld = {CHECK}\ndef step(params, batch):\n"
            "    def loss(params):\n        labels = batch['answer']\n        return model(params, labels)\n"
            "    return jax.grad(loss)(params)\nfor turn in range(9):\n    for batch in rows:\n"
            "        params = step(params, batch)\n    for labels in held:\n        score(labels)\n"
        },
    },
    "own trainer that is given both splits by position": {
        "files": {
            "t.py": f"{HEAD}import tools\nclass OwnTrainer(tools.BaseTrainer):\n"
            "    def __init__(self, name, options, rows, checked):\n"
            "        self.rows, self.checked = rows, checked\n    def train(self):\n        feed(self.rows)\n"
            f"own, test_set = {OTHER}, {CHECK}\nOwnTrainer('m', {{}}, own, test_set).train()\n"
        },
    },
    "splits under the keys of a dictionary of dictionaries": {
        "files": {
            "t.py": f"{HEAD}from collections import defaultdict\nfrom datasets import DatasetDict\n"
            "known = defaultdict(DatasetDict)\nfor name in ('main', 'socratic'):\n"
            "    both = load_dataset('openai/gsm8k', name)\n    for split in both:\n"
            "        known[name][split] = both[split].shuffle(seed=0).select(range(99))\n"
            "made = known['main'].map(lambda row: {'text': row['question']})\nrows = made['train']\n" + END
        },
    },
    "option of a validation file": {
        "files": {
            "prepare.py": "from datasets import load_dataset\n"
            f"{CHECK}.to_parquet('d/test.parquet')\n{OTHER}.to_parquet('d/train.parquet')\n",
            "t.py": "import feed, sys\nfeed.use(sys.argv)\n" + BATCHES,
        },
        "steps": ["python prepare.py", "python t.py data.train_files=d/train.parquet data.val_files=d/test.parquet"],
    },
    "flag that is not given": {
        "files": {
            "t.py": f"{HEAD}from dataclasses import dataclass\nfrom transformers import HfArgumentParser\n@dataclass\n"
            "class Args:\n    on_test: bool = False\na, = HfArgumentParser((Args,)).parse_args_into_dataclasses()\n"
            f"rows = {CHECK} if a.on_test else {OTHER}\n{END}"
        },
        "steps": ["python t.py --other"],
    },
}


def run(root: Path, case: dict[str, Any], split: str) -> set[tuple[str, str]]:
    split = split.upper() if case.get("upper") else split
    files = {name: text.replace("@@", split) for name, text in case["files"].items()}
    steps = [Command(step.replace("@@", split), "{'loss': 0.5}") for step in case.get("steps", ["python t.py"])]
    findings, _ = scripts.detect(Case(root, network="host", files=files, steps=steps).evidence())
    return reached(findings, RULE)


@pytest.mark.parametrize("name", FOLLOWED)
def test_test_split_is_followed(name: str, tmp_path: Path) -> None:
    assert USED in run(tmp_path, FOLLOWED[name], "test")


@pytest.mark.parametrize("name", LOST)
def test_lost_test_split_is_an_indication(name: str, tmp_path: Path) -> None:
    found = run(tmp_path, LOST[name], "test")
    assert READ in found
    assert USED not in found


@pytest.mark.parametrize("name", [*FOLLOWED, *LOST])
def test_twin_on_the_train_split_is_clean(name: str, tmp_path: Path) -> None:
    assert not run(tmp_path, (FOLLOWED | LOST)[name], "train")


@pytest.mark.parametrize("name", CLEAN)
def test_look_alikes_are_clean(name: str, tmp_path: Path) -> None:
    assert not run(tmp_path, CLEAN[name], "train")
