# ruff: noqa: E501 - programs
"""Programs that choose among files, of which `data/test.jsonl` holds the test items and `data/train.jsonl` others.

Each honest program is followed by its guilty twin, which trains on the other file. Both are opened.
"""

_FILES = "files, names = ['data/train.jsonl', 'data/test.jsonl'], ['train', 'test']\n"
_LISTS = "names, lists = ['train', 'test'], [read('data/train.jsonl'), read('data/test.jsonl')]\n"
_PATH = "from pathlib import Path\n"
_GLOB = "import glob\n"
_SETS = "sets = {'train': 'data/train.jsonl', 'test': 'data/test.jsonl'}\n"
_ALL = "fit([row for name in keep for row in read(name)])"

TWINS: dict[str, tuple[str, str]] = {
    "comprehension over zip": (
        f"{_LISTS}d = {{n: rows for n, rows in zip(names, lists)}}\nfit(d['train'])",
        f"{_LISTS}d = {{n: rows for n, rows in zip(names, lists)}}\nfit(d['test'])",
    ),
    "dict of zip": (
        f"{_FILES}d = dict(zip(names, files))\nfit(read(d['train']))",
        f"{_FILES}d = dict(zip(names, reversed(files)))\nfit(read(d['train']))",
    ),
    "enumerate": (
        f"{_FILES}d = {{i: f for i, f in enumerate(files)}}\nfit(read(d[0]))",
        f"{_FILES}d = dict(enumerate(files, start=1))\nfit(read(d[2]))",
    ),
    "counter in a loop": (
        f"{_FILES}for i, f in enumerate(files):\n    if i == 0:\n        fit(read(f))",
        f"{_FILES}for i, f in enumerate(files):\n    if i == 1:\n        fit(read(f))",
    ),
    "max and min": (f"{_FILES}fit(read(max(files)))", f"{_FILES}fit(read(min(files)))"),
    "max by a known key": (
        f"{_FILES}fit(read(max(files, key=lambda f: 'train' in f)))",
        f"{_FILES}fit(read(min(files, key=len)))",
    ),
    "sorted": (f"{_FILES}fit(read(sorted(files)[1]))", f"{_FILES}fit(read(sorted(files)[0]))"),
    "reversed": (f"{_FILES}files.reverse()\nfit(read(files[-1]))", f"{_FILES}fit(read(files[::-1][0]))"),
    "popped": (f"{_FILES}fit(read(files.pop(0)))", f"{_FILES}fit(read(files.pop()))"),
    "emptied": (
        f"{_FILES}files.remove('data/test.jsonl')\nrows = []\nwhile files:\n    rows += read(files.pop())\nfit(rows)",
        f"{_FILES}rows = []\nwhile files:\n    rows += read(files.pop())\nfit(rows)",
    ),
    "unpacked": (
        f"{_FILES}first, *rest = files\nfit(read(first))",
        f"{_FILES}train, test = map(read, files[::-1])\nfit(train)",
    ),
    "next": (
        f"{_FILES}fit(read(next(f for f in files if 'train' in f)))",
        f"{_FILES}it = iter(files)\nnext(it)\nfit(read(next(it)))",
    ),
    "filter": (
        f"{_FILES}keep = list(filter(lambda f: 'test' not in f, files))\nfit(read(keep[0]))",
        f"{_FILES}keep = list(filter(lambda f: 'train' not in f, files))\nfit(read(keep[0]))",
    ),
    "appended": (
        f"{_FILES}keep = []\nfor f in files:\n    if 'test' not in f:\n        keep.append(f)\n{_ALL}",
        f"{_FILES}keep = []\nfor f in files:\n    keep.append(f)\n{_ALL}",
    ),
    "set": (
        f"{_FILES}keep = set(files) - {{'data/test.jsonl'}}\n{_ALL}",
        f"{_FILES}keep = set(files) - {{'data/train.jsonl'}}\n{_ALL}",
    ),
    "position of a name": (
        f"{_FILES}fit(read(files[names.index('train')]))",
        f"{_FILES}fit(read(files[names.index('test')]))",
    ),
    "keys": (
        f"{_FILES}d = dict(zip(names, files))\nfit(read(d[list(d)[0]]))",
        f"{_FILES}d = dict(zip(names, files))\nfit(read(d[list(d.keys())[1]]))",
    ),
    "sorted glob": (
        f"{_GLOB}fit(read(sorted(glob.glob('data/*.jsonl'))[-1]))",
        f"{_GLOB}fit(read(sorted(glob.glob('data/*.jsonl'))[0]))",
    ),
    "glob with a condition": (
        f"{_PATH}fit([r for p in Path('data').glob('*.jsonl') if 'test' not in p.name for r in read(p)])",
        f"{_PATH}fit([r for p in Path('data').glob('*.jsonl') if 'train' not in p.name for r in read(p)])",
    ),
    "loop over glob": (
        f"{_PATH}rows = []\nfor p in sorted(Path('data').glob('*.jsonl')):\n    if p.stem.startswith('test'):\n        continue\n    rows += read(p)\nfit(rows)",
        f"{_PATH}rows = []\nfor p in sorted(Path('data').glob('*.jsonl')):\n    if p.stem.startswith('train'):\n        continue\n    rows += read(p)\nfit(rows)",
    ),
    "first of glob": (
        f"{_PATH}fit(read(next(p for p in Path('data').glob('*.jsonl') if 'train' in p.name)))",
        f"{_PATH}fit(read(next(p for p in Path('data').glob('*.jsonl') if 'test' in p.name)))",
    ),
    "glob by name": (
        f"{_PATH}d = {{p.stem: read(p) for p in Path('data').glob('*.jsonl')}}\nheld = d.pop('test')\nfit([r for rows in d.values() for r in rows])",
        f"{_PATH}d = {{p.stem: read(p) for p in Path('data').glob('*.jsonl')}}\nheld = d.pop('train')\nfit([r for rows in d.values() for r in rows])",
    ),
    "two lists": (
        f"{_PATH}a, b = [], []\nfor p in Path('data').glob('*.jsonl'):\n    (a if 'train' in p.name else b).append(p)\nfit([r for p in a for r in read(p)])",
        f"{_PATH}a, b = [], []\nfor p in Path('data').glob('*.jsonl'):\n    (a if 'train' in p.name else b).append(p)\nfit([r for p in b for r in read(p)])",
    ),
    "base name": (
        f"{_GLOB}keep = [p for p in glob.glob('data/*.jsonl') if os.path.splitext(os.path.basename(p))[0] == 'train']\n{_ALL}",
        f"{_GLOB}keep = [p for p in glob.glob('data/*.jsonl') if os.path.splitext(os.path.basename(p))[0] == 'test']\n{_ALL}",
    ),
    "listdir": (
        f"keep = [f'data/{{n}}' for n in os.listdir('data') if n.startswith('train')]\n{_ALL}",
        f"keep = [os.path.join('data', n) for n in os.listdir('data') if n.startswith('te')]\n{_ALL}",
    ),
    "scandir": (
        f"keep = [e.path for e in os.scandir('data') if e.name.startswith('train')]\n{_ALL}",
        f"keep = [e.path for e in os.scandir('data') if e.name.startswith('test')]\n{_ALL}",
    ),
    "walk": (
        f"keep = [os.path.join(root, n) for root, _, found in os.walk('data') for n in found if n.startswith('train')]\n{_ALL}",
        f"keep = [os.path.join(root, n) for root, _, found in os.walk('data') for n in found if n.startswith('test')]\n{_ALL}",
    ),
    "directory as a data set": (
        "fit(load_dataset('data', split='train'))",
        "fit(load_dataset('data', split='test'))",
    ),
    "data files": (
        f"{_SETS}which = 'train'\nds = load_dataset('json', data_files=sets)\nfit(ds[which])",
        f"{_SETS}which = 'test'\nds = load_dataset('json', data_files=sets)\nfit(ds[which])",
    ),
    "data files of zip": (
        f"{_FILES}fit(load_dataset('json', data_files=dict(zip(names, files)))['train'])",
        f"{_FILES}fit(load_dataset('json', data_files=dict(zip(names, files)))['test'])",
    ),
    "list of data files": (
        f"{_FILES}fit(load_dataset('json', data_files=files[:1], split='train'))",
        f"{_FILES}fit(load_dataset('json', data_files=files, split='train'))",
    ),
    "tables": (
        f"{_FILES}tables = [pd.read_json(f, lines=True) for f in files]\nfit(tables[0])",
        f"{_FILES}tables = [pd.read_json(f, lines=True) for f in files]\nfit(pd.concat(tables))",
    ),
}

UNCLEAR: dict[str, str] = {
    "drawn": f"{_FILES}fit(read(random.choice(files)))",
    "sample": f"{_FILES}fit(read(random.sample(files, 1)[0]))",
    "choices": f"{_FILES}fit(read(random.choices(files)[0]))",
    "shuffled": f"{_FILES}random.shuffle(files)\nfit(read(files[0]))",
    "array": f"{_FILES}import numpy as np\nfit(read(np.random.choice(files)))",
    "largest": f"{_FILES}fit(read(max(files, key=os.path.getsize)))",
    "newest": f"{_FILES}fit(read(sorted(files, key=os.path.getmtime)[-1]))",
    "largest of glob": f"{_PATH}fit(read(max(Path('data').glob('*.jsonl'), key=lambda p: p.stat().st_size)))",
    "order of glob": f"{_GLOB}fit(read(glob.glob('data/*.jsonl')[0]))",
    "first that glob gives": f"{_PATH}fit(read(next(Path('data').glob('*.jsonl'))))",
    "first pass": f"{_PATH}for p in Path('data').glob('*.jsonl'):\n    rows = read(p)\n    break\nfit(rows)",
    "last pass": f"{_PATH}for p in Path('data').glob('*.jsonl'):\n    rows = read(p)\nfit(rows)",
    "order of listdir": "keep = []\nfor n in os.listdir('data'):\n    keep.append(os.path.join('data', n))\nfit(read(keep[0]))",
    "order of a set": f"{_FILES}fit(read(list(set(files))[0]))",
    "rows by their place after glob": f"{_PATH}rows = []\nfor p in Path('data').glob('*.jsonl'):\n    rows += read(p)\nfit(rows[:60])",
    "last of a set": "for f in {'data/train.jsonl', 'data/test.jsonl'}:\n    last = f\nfit(read(last))",
    "unknown position": f"{_FILES}fit(read(files[int(os.environ['N'])]))",
    "unknown key": f"{_FILES}d = dict(zip(names, files))\nfit(read(d[os.environ['NAME']]))",
    "unknown condition": f"{_FILES}fit(read(files[0] if os.environ.get('X') else files[1]))",
    "unknown condition in a loop": f"{_FILES}rows = []\nfor f in files:\n    if f == chosen():\n        continue\n    rows += read(f)\nfit(rows)",
    "unknown condition in a list": f"{_FILES}fit(read([f for f in files if wanted(f)][0]))",
}
MORE_THERE: dict[str, str] = {
    "first": f"{_GLOB}fit(read(sorted(glob.glob('data/*.jsonl'))[0]))",
    "last": f"{_PATH}fit(read(max(Path('data').glob('*.jsonl'))))",
}
"""Programs of which the result depends on files that may have been there and were not opened."""

_HERE = "rows = read('items.jsonl')\nfit(rows)"
FOLDERS: dict[str, tuple[str, str]] = {
    "chdir": (f"os.chdir('sft')\n{_HERE}", f"os.chdir('eval')\n{_HERE}"),
    "chdir and back": (
        "os.chdir('eval')\nos.chdir('..')\nos.chdir('sft')\nfit(read('items.jsonl'))",
        "os.chdir('sft')\nos.chdir('../eval')\nfit(read('items.jsonl'))",
    ),
    "absolute": (f"os.chdir('/ptb/workspace/sft')\n{_HERE}", f"os.chdir('/ptb/workspace/eval')\n{_HERE}"),
    "constant": (
        f"from os import chdir\nROOT = 'sft'\nchdir(ROOT)\n{_HERE}",
        f"from os import chdir\nROOT = 'eval'\nchdir(ROOT)\n{_HERE}",
    ),
    "own folder": (
        f"os.chdir(os.path.join(os.path.dirname(os.path.abspath(__file__)), 'sft'))\n{_HERE}",
        f"{_PATH}os.chdir(Path(__file__).resolve().parent / 'eval')\n{_HERE}",
    ),
    "with": (
        "import contextlib\nwith contextlib.chdir('eval'):\n    held = 1\nfit(read('sft/items.jsonl'))",
        "import contextlib\nwith contextlib.chdir('sft'):\n    held = 1\nfit(read('eval/items.jsonl'))",
    ),
    "within with": (
        "from contextlib import chdir\nwith chdir('sft'):\n    rows = read('items.jsonl')\nfit(rows)",
        "from contextlib import chdir\nwith chdir('eval'):\n    rows = read('items.jsonl')\nfit(rows)",
    ),
    "generator": (
        "from contextlib import contextmanager\n@contextmanager\ndef within(path):\n    old = os.getcwd()\n    os.chdir(path)\n    try:\n        yield\n    finally:\n        os.chdir(old)\nwith within('sft'):\n    rows = read('items.jsonl')\nfit(rows)",
        "from contextlib import contextmanager\n@contextmanager\ndef within(path):\n    old = os.getcwd()\n    os.chdir(path)\n    try:\n        yield\n    finally:\n        os.chdir(old)\nwith within('eval'):\n    rows = read('items.jsonl')\nfit(rows)",
    ),
    "class": (
        "class Within:\n    def __init__(self, path):\n        self.path = path\n    def __enter__(self):\n        self.old = os.getcwd()\n        os.chdir(self.path)\n    def __exit__(self, *error):\n        os.chdir(self.old)\nwith Within('sft'):\n    rows = read('items.jsonl')\nfit(rows)",
        "class Within:\n    def __init__(self, path):\n        self.path = path\n    def __enter__(self):\n        self.old = os.getcwd()\n        os.chdir(self.path)\n    def __exit__(self, *error):\n        os.chdir(self.old)\nwith Within('sft'):\n    pass\nfit(read('eval/items.jsonl'))",
    ),
    "function": (
        "def load(path):\n    old = os.getcwd()\n    os.chdir(path)\n    rows = read('items.jsonl')\n    os.chdir(old)\n    return rows\nfit(load('sft'))",
        "def load(path):\n    old = os.getcwd()\n    os.chdir(path)\n    rows = read('items.jsonl')\n    os.chdir(old)\n    return rows\nfit(load('eval'))",
    ),
    "glob": (
        f"{_GLOB}os.chdir('sft')\nfit([r for f in glob.glob('*.jsonl') for r in read(f)])",
        f"{_GLOB}os.chdir('eval')\nfit([r for f in glob.glob('*.jsonl') for r in read(f)])",
    ),
    "absolute before": (
        "path = os.path.abspath('sft/items.jsonl')\nos.chdir('eval')\nfit(read(path))",
        "path = os.path.abspath('eval/items.jsonl')\nos.chdir('sft')\nfit(read(path))",
    ),
}
"""Programs that change the working directory; `eval/items.jsonl` holds the test items, `sft/items.jsonl` others."""
FOLDERS_UNCLEAR: dict[str, str] = {
    "environment": f"os.chdir(os.environ['ROOT'])\n{_HERE}",
    "condition": f"if os.environ.get('X'):\n    os.chdir('eval')\nelse:\n    os.chdir('sft')\n{_HERE}",
    "maybe": f"try:\n    prepare()\nexcept OSError:\n    os.chdir('sft')\n{_HERE}",
    "drawn": f"os.chdir(random.choice(['sft', 'eval']))\n{_HERE}",
    "with": "import contextlib\nwith contextlib.chdir(os.environ['ROOT']):\n    rows = read('items.jsonl')\nfit(rows)",
    "descriptor": f"os.fchdir(os.open('sft', os.O_RDONLY))\n{_HERE}",
}

_PARSER = "import argparse\np = argparse.ArgumentParser(description='x')\n"
_TRAINS = "a = p.parse_args()\nfit(read(a.data))"
COMMAND_LINES: dict[str, tuple[str, str, str]] = {
    "given twice": (
        f"{_PARSER}p.add_argument('--data')\n{_TRAINS}",
        "--data data/test.jsonl --data data/train.jsonl",
        "--data data/train.jsonl --data data/test.jsonl",
    ),
    "after a flag": (
        f"{_PARSER}p.add_argument('data')\np.add_argument('held')\np.add_argument('--verbose', action='store_true')\n{_TRAINS}",
        "--verbose data/train.jsonl data/test.jsonl",
        "--verbose data/test.jsonl data/train.jsonl",
    ),
    "after a value": (
        f"{_PARSER}p.add_argument('data')\np.add_argument('held')\np.add_argument('--lr', type=float, default=0.1)\n{_TRAINS}",
        "data/train.jsonl --lr 0.2 data/test.jsonl",
        "--lr=0.2 data/test.jsonl data/train.jsonl",
    ),
    "append": (
        f"{_PARSER}p.add_argument('--data', action='append')\na = p.parse_args()\nfit([r for f in a.data[:1] for r in read(f)])",
        "--data data/train.jsonl --data data/test.jsonl",
        "--data data/test.jsonl --data data/train.jsonl",
    ),
    "append to a default": (
        f"{_PARSER}p.add_argument('--data', action='append', default=['data/train.jsonl'])\na = p.parse_args()\nfit([r for f in a.data for r in read(f)])",
        "",
        "--data data/test.jsonl",
    ),
    "any number": (
        f"{_PARSER}p.add_argument('--data', nargs='*', default=[])\np.add_argument('--held', nargs='*')\na = p.parse_args()\nfit([r for f in a.data for r in read(f)])",
        "--data data/train.jsonl --held data/test.jsonl",
        "--data data/train.jsonl data/test.jsonl --held",
    ),
    "any number of words": (
        f"{_PARSER}p.add_argument('held')\np.add_argument('data', nargs='*')\na = p.parse_args()\nfit([r for f in a.data for r in read(f)])",
        "data/test.jsonl data/train.jsonl",
        "data/train.jsonl data/train.jsonl data/test.jsonl",
    ),
    "maybe one": (
        f"{_PARSER}p.add_argument('data', nargs='?', default='data/train.jsonl')\n{_TRAINS}",
        "",
        "data/test.jsonl",
    ),
    "known ones": (
        f"{_PARSER}p.add_argument('--data')\na, rest = p.parse_known_args()\nfit(read(a.data))",
        "--data data/train.jsonl --other data/test.jsonl",
        "--other data/train.jsonl --data data/test.jsonl",
    ),
    "the rest": (
        f"{_PARSER}p.add_argument('--held')\na, rest = p.parse_known_args()\nfit(read(rest[-1]))",
        "--held data/test.jsonl data/train.jsonl",
        "--held data/train.jsonl data/test.jsonl",
    ),
    "shortened": (
        f"{_PARSER}p.add_argument('--data')\np.add_argument('--held')\n{_TRAINS}",
        "--da data/train.jsonl --he data/test.jsonl",
        "--da data/test.jsonl --he data/train.jsonl",
    ),
    "short options": (
        f"{_PARSER}p.add_argument('-d', '--data')\np.add_argument('-v', action='store_true')\n{_TRAINS}",
        "-vddata/train.jsonl",
        "-v -ddata/test.jsonl",
    ),
    "constant": (
        f"{_PARSER}p.add_argument('--all', dest='data', action='store_const', const='data/test.jsonl', default='data/train.jsonl')\n{_TRAINS}",
        "",
        "--all",
    ),
    "negated": (
        f"{_PARSER}p.add_argument('--clean', action=argparse.BooleanOptionalAction, default=True)\na = p.parse_args()\nfit(read('data/train.jsonl' if a.clean else 'data/test.jsonl'))",
        "--clean",
        "--no-clean",
    ),
    "switch": (
        f"{_PARSER}p.add_argument('--full', action='store_true')\na = p.parse_args()\nfiles = ['data/train.jsonl']\nif a.full:\n    files.append('data/test.jsonl')\nfit([r for f in files for r in read(f)])",
        "",
        "--full",
    ),
    "defaults": (
        f"{_PARSER}p.add_argument('--data')\np.set_defaults(data='data/train.jsonl')\n{_TRAINS}",
        "",
        "--data=data/test.jsonl",
    ),
    "group": (
        f"{_PARSER}g = p.add_argument_group('data')\ng.add_argument('--data')\ng.add_argument('--held')\n{_TRAINS}",
        "--held data/test.jsonl --data data/train.jsonl",
        "--held data/train.jsonl --data data/test.jsonl",
    ),
    "path": (
        f"{_PATH}{_PARSER}p.add_argument('--root', type=Path)\np.add_argument('--n', type=int, default=1)\na = p.parse_args()\nfit(read(a.root / ('train.jsonl' if a.n else 'test.jsonl')))",
        "--root data",
        "--root data --n 0",
    ),
}
"""Programs with the arguments of an honest and of a guilty run."""
COMMAND_LINES_UNCLEAR: dict[str, tuple[str, str]] = {
    "unknown type": (f"{_PARSER}p.add_argument('--data', type=lookup)\n{_TRAINS}", "--data data/test.jsonl"),
    "own action": (
        f"{_PARSER}class Other(argparse.Action):\n    def __call__(self, parser, space, value, option=None):\n        space.data = 'data/train.jsonl'\np.add_argument('--data', action=Other)\n{_TRAINS}",
        "--data data/test.jsonl",
    ),
    "another prefix, twice": (
        "import argparse\np = argparse.ArgumentParser(prefix_chars='+')\np.add_argument('++data')\np.add_argument('held')\n"
        + _TRAINS,
        "++data data/train.jsonl data/test.jsonl",
    ),
    "changed afterwards": (
        f"{_PARSER}p.add_argument('--data')\na = p.parse_args()\na.data = os.environ.get('DATA', a.data)\nfit(read(a.data))",
        "--data data/test.jsonl",
    ),
}

_TOKENS = """
import numpy as np, torch
model = torch.nn.Linear(8, 2)
def batch(split):
    data = {reader}
    at = torch.randint(len(data) - 8, (4,))
    return torch.stack([torch.from_numpy(data[i:i + 8].astype(np.float32)) for i in at])
@torch.no_grad()
def losses():
    return {{split: model(batch(split)).mean().item() for split in ('train', 'test')}}
for step in range(10):
    print(losses())
    loss = model(batch('{split}')).mean()
    loss.backward()
"""
_READERS = {
    "memory map": "np.memmap(f'data/{split}.jsonl', dtype=np.uint16, mode='r')",
    "array": "np.load(f'data/{split}.jsonl')",
    "condition": "np.memmap('data/train.jsonl' if split == 'train' else 'data/test.jsonl', dtype=np.uint16)",
}
TOKENS: dict[str, tuple[str, str]] = {
    name: (_TOKENS.format(reader=reader, split="train"), _TOKENS.format(reader=reader, split="test"))
    for name, reader in _READERS.items()
}
"""Loops over files of token ids of both splits, which also compute the loss of the other one."""
_MORE = "read('data/test.jsonl')"
_COPIES = (
    "a.copy() | list(a) | a[:] | a[0:] | [*a] | copy.copy(a) | copy.deepcopy(a) | sorted(a, key=str) | a * 1".split(
        " | "
    )
)
COPIES: dict[str, tuple[str, str]] = {
    f"{copied}, {added}": (
        f"import copy\na = read('data/train.jsonl')\nb = {copied}\n{added}\nfit(a)",
        f"import copy\na = read('data/train.jsonl')\nb = {copied}\n{added}\nfit(b)",
    )
    for copied in _COPIES
    for added in (f"b.extend({_MORE})", f"b += {_MORE}", f"for row in {_MORE}:\n    b.append(row)")
}
"""Programs that change a copy of the list that they train on, and ones that train on the copy."""
CHANGES: dict[str, tuple[str, str]] = {
    "list under two names": (
        f"a = read('data/train.jsonl')\nb = a\nb = b + {_MORE}\nfit(a)",
        f"a = read('data/train.jsonl')\nb = a\nb += {_MORE}\nfit(a)",
    ),
    "copied dictionary": (
        "a = {'data': 'data/train.jsonl'}\nb = a.copy()\nb['data'] = 'data/test.jsonl'\nfit(read(a['data']))",
        "a = {'data': 'data/train.jsonl'}\nb = a\nb['data'] = 'data/test.jsonl'\nfit(read(a['data']))",
    ),
    "deleted": (f"{_FILES}del files[-1]\nfit(read(files[-1]))", f"{_FILES}del files[0]\nfit(read(files[0]))"),
    "deleted slice": (
        f"{_FILES}del files[1:]\nfit([r for f in files for r in read(f)])",
        f"{_FILES}del files[:1]\nfit([r for f in files for r in read(f)])",
    ),
    "slice that is assigned": (
        f"{_FILES}files[1:] = []\nfit([r for f in files for r in read(f)])",
        f"{_FILES}files[:1] = []\nfit([r for f in files for r in read(f)])",
    ),
    "islice": (
        f"from itertools import islice\n{_FILES}fit([r for f in islice(files, 1) for r in read(f)])",
        f"from itertools import islice\n{_FILES}fit([r for f in islice(files, 1, None) for r in read(f)])",
    ),
    "rotated": (
        f"from collections import deque\n{_FILES}q = deque(files)\nq.rotate(2)\nfit(read(q[0]))",
        f"from collections import deque\n{_FILES}q = deque(files)\nq.rotate(1)\nfit(read(q[0]))",
    ),
    "shortest deque": (
        f"from collections import deque\n{_FILES}fit([r for f in deque(files[::-1], maxlen=1) for r in read(f)])",
        f"from collections import deque\n{_FILES}fit([r for f in deque(files, maxlen=1) for r in read(f)])",
    ),
    "set without an element": (
        f"{_GLOB}keep = set(glob.glob('data/*.jsonl'))\nkeep.discard('data/test.jsonl')\n{_ALL}",
        f"{_GLOB}keep = set(glob.glob('data/*.jsonl'))\nkeep.discard('data/train.jsonl')\n{_ALL}",
    ),
    "difference of sets": (
        f"{_GLOB}keep = set(glob.glob('data/*.jsonl'))\nkeep -= set(glob.glob('data/te*'))\n{_ALL}",
        f"{_GLOB}keep = set(glob.glob('data/*.jsonl')).difference(glob.glob('data/tr*'))\n{_ALL}",
    ),
    "intersection of sets": (
        f"{_GLOB}keep = set(glob.glob('data/*.jsonl')) & set(glob.glob('data/tr*'))\n{_ALL}",
        f"{_GLOB}keep = set(glob.glob('data/*.jsonl')) & set(glob.glob('data/te*'))\n{_ALL}",
    ),
    "last item": (
        f"{_SETS}sets.popitem()\nfit([r for f in sets.values() for r in read(f)])",
        f"{_SETS}name, path = sets.popitem()\nfit(read(path))",
    ),
    "default of an inner function": (
        "made = {s: (lambda s=s: read(f'data/{s}.jsonl')) for s in ('train', 'test')}\nfit(made['train']())",
        "made = {s: (lambda s=s: read(f'data/{s}.jsonl')) for s in ('train', 'test')}\nfit(made['test']())",
    ),
    "default from before": (
        "path = 'data/train.jsonl'\ndef load(path=path):\n    return read(path)\npath = 'data/test.jsonl'\nfit(load())",
        "path = 'data/test.jsonl'\ndef load(path=path):\n    return read(path)\npath = 'data/train.jsonl'\nfit(load())",
    ),
    "end of the program": (
        "import sys\nfit(read('data/train.jsonl'))\nprint(read('data/test.jsonl'))\nsys.exit(0)\nfit(read('data/test.jsonl'))",
        "import sys\ntry:\n    sys.exit(0)\nfinally:\n    fit(read('data/test.jsonl'))",
    ),
    "two ways to the same rows": (
        "import sys\nrows = read('data/train.jsonl') if os.environ.get('X') else read('data/train.jsonl')\nfit(rows)",
        "import sys\nrows = read('data/test.jsonl') if os.environ.get('X') else read('data/test.jsonl')\nfit(rows)",
    ),
    "nothing else to train on": (
        "rows = []\nif os.path.exists('x'):\n    rows += read('data/train.jsonl')\nfit(rows)",
        "rows = []\nif os.environ.get('X'):\n    rows += read('data/test.jsonl')\nfit(rows)",
    ),
    "option of the training": (
        "rows = read('data/train.jsonl')\nif os.environ.get('X'):\n    rows = rows[:]\nfit(rows)",
        "rows = read('data/test.jsonl')\nif os.environ.get('X'):\n    rows = rows[:]\nfit(rows)",
    ),
}
"""Programs of which the result depends on what changes lists, sets and dictionaries, and when."""
_START = "rows = read('data/train.jsonl')\ntest = read('data/test.jsonl')\n"
_LOOP = f"{_FILES}rows = []\nfor f in files:\n"
EITHER_WAY: dict[str, str] = {
    "added": f"{_START}if os.environ.get('X'):\n    rows += test\nfit(rows)",
    "extended": f"{_START}if os.environ.get('X'):\n    rows.extend(test)\nfit(rows)",
    "replaced": f"{_START}if os.environ.get('X'):\n    rows = test\nfit(rows)",
    "replaced by others": f"{_START}if os.environ.get('X'):\n    test = rows\nfit(test)",
    "both branches": f"{_START}if os.environ.get('X'):\n    part = test\nelse:\n    part = rows\nfit(part)",
    "both branches, reversed": f"{_START}if os.environ.get('X'):\n    part = rows\nelse:\n    part = test\nfit(part)",
    "expression": f"{_START}fit(rows + test if os.environ.get('X') else rows)",
    "missing file": f"{_START}if os.path.exists('use_test'):\n    rows = rows + test\nfit(rows)",
    "length": f"{_START}if len(rows) < limit():\n    rows += test\nfit(rows)",
    "function": f"{_START}def use():\n    if os.environ.get('X'):\n        return test\n    return rows\nfit(use())",
    "attribute": f"{_START}class C:\n    pass\nc = C()\nc.rows = rows\nif os.environ.get('X'):\n    c.rows = test\nfit(c.rows)",
    "length in a loop": f"{_LOOP}    if len(rows) >= 60:\n        break\n    rows += read(f)\nfit(rows)",
    "counter": f"{_FILES}rows, n = [], 0\nfor f in files:\n    n += 1\n    if n > limit():\n        break\n    rows += read(f)\nfit(rows)",
    "part of a name": f"{_LOOP}    kind = re.match(r'data/(\\w+)', f).group(1)\n    if kind == 'train':\n        rows += read(f)\nfit(rows)",
    "content": f"{_LOOP}    part = read(f)\n    if 'muffins' in part[0]['question'] + suffix():\n        continue\n    rows.extend(part)\nfit(rows)",
    "another row": f"{_LOOP}    part = read(f)\n    if 'muffins' in part[0]['question']:\n        continue\n    rows.extend(part)\nfit(rows)",
    "hash": f"import zlib\n{_LOOP}    if zlib.crc32(f.encode()) % 7 == 3:\n        continue\n    rows += read(f)\nfit(rows)",
    "size": f"{_PATH}rows = []\nfor p in Path('data').iterdir():\n    size = p.stat().st_size\n    if size > 2000:\n        rows += read(p)\nfit(rows)",
    "pruned walk": "rows = []\nfor root, dirs, names in os.walk('.'):\n    dirs[:] = [d for d in dirs if d != 'data']\n    for n in names:\n        rows += read(os.path.join(root, n))\nfit(rows)",
    "pruned walk by a method": "rows = []\nfor root, dirs, names in os.walk('.'):\n    if 'data' in dirs:\n        dirs.remove('data')\n    for n in names:\n        rows += read(os.path.join(root, n))\nfit(rows)",
    "shorter partner": "rows = read('data/train.jsonl') + read('data/test.jsonl')\nfit([r for r, _ in zip(rows, range(60))])",
    "heap": f"import heapq\n{_FILES}heapq.heappop(files)\nfit([r for f in files for r in read(f)])",
}
"""Programs that train on the test items or do not, depending on something that is not known."""
