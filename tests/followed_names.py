"""Programs that choose files by patterns, settings and command lines, and their guilty twins: see `followed_files`."""

_LISTED = "import fnmatch, re\nfrom collections import defaultdict\nnames = sorted(os.listdir('data'))\n"
_READ = "fit([row for n in keep for row in read('data/' + n)])"
_GROUPS = f"{_LISTED}P = re.compile(r'(?P<split>[a-z]+)[.](?P<kind>[a-z]+)')\nd = defaultdict(list)\nfor n in names:\n"

NAMES: dict[str, tuple[str, str]] = {
    "named group": (
        f"{_GROUPS}    m = P.fullmatch(n)\n    d[m.group('split')].append((len(n), n))\n"
        "fit([row for _, n in sorted(d['train']) for row in read('data/' + n)])",
        f"{_GROUPS}    m = P.fullmatch(n)\n    d[m.group('kind')].append((len(n), n))\n"
        "fit([row for _, n in sorted(d['jsonl']) for row in read('data/' + n)])",
    ),
    "group by number": (
        f"{_LISTED}keep = [n for n in names if re.match('([a-z]+)', n)[1] == 'train']\n{_READ}",
        f"{_LISTED}keep = [n for n in names if re.match('([a-z]+)', n)[1] != 'train']\n{_READ}",
    ),
    "group that takes no part": (
        f"{_LISTED}keep = [n for n in names if re.match('(test)?', n).group(1) is None]\n{_READ}",
        f"{_LISTED}keep = [n for n in names if re.match('(train)?', n).group(1) is None]\n{_READ}",
    ),
    "dictionary of groups": (
        f"{_LISTED}keep = [n for n in names if re.match('(?P<a>..)', n).groupdict()['a'] == 'tr']\n{_READ}",
        f"{_LISTED}keep = [n for n in names if re.match('(?P<a>.)', n).groupdict()['a'] == 't']\n{_READ}",
    ),
    "findall": (
        f"{_LISTED}keep = [n for n in names if re.findall('[a-z]+', n)[0] == 'train']\n{_READ}",
        f"{_LISTED}keep = [n for n in names if re.findall('[a-z]+', n)[1] == 'jsonl']\n{_READ}",
    ),
    "split by a pattern": (
        f"{_LISTED}keep = [n for n in names if re.split('[.]', n)[0] == 'train']\n{_READ}",
        f"{_LISTED}keep = [n for n in names if re.split('[.]', n)[-1] == 'jsonl']\n{_READ}",
    ),
    "fnmatch.filter": (
        f"{_LISTED}keep = fnmatch.filter(names, 'train*')\n{_READ}",
        f"{_LISTED}keep = fnmatch.filter(names, 't*t*.jsonl')\n{_READ}",
    ),
    "dict.fromkeys": (
        "d = dict.fromkeys(['train', 'test'])\nfor k in d:\n    d[k] = read(f'data/{k}.jsonl')\nfit(d['train'])",
        "d = dict.fromkeys(['train', 'test'])\nfor k in d:\n    d[k] = read(f'data/{k}.jsonl')\nfit(d['test'])",
    ),
    "one list for all keys": (
        "d = dict.fromkeys(['train', 'test'], 0)\nd['train'] = read('data/train.jsonl')\nfit(d['train'])",
        "d = dict.fromkeys(['train', 'test'], [])\nd['test'].extend(read('data/test.jsonl'))\nfit(d['train'])",
    ),
}

_SPLITS = "s = json.load(open('splits.json'))\n"
SETTINGS: dict[str, tuple[str, str, str]] = {
    "manifest": (
        "splits.json",
        '{"train": ["data/train.jsonl"], "held": ["data/test.jsonl"]}',
        f"{_SPLITS}fit([row for f in s['train'] for row in read(f)])",
    ),
    "all parts of a manifest": (
        "splits.json",
        '{"train": {"file": "data/train.jsonl"}, "held": {"file": "data/test.jsonl"}}',
        f"{_SPLITS}d = {{k: read(v['file']) for k, v in s.items()}}\nfit(d['train'])",
    ),
    "list of files": ("splits.json", '["data/train.jsonl", "data/test.jsonl"]', f"{_SPLITS}fit(read(s[0]))"),
    "sections with a folder": (
        "base.yaml",
        "data: {root: data, train: {file: train.jsonl}, test: {file: test.jsonl}}",
        "import yaml\nc = yaml.safe_load(open('base.yaml'))['data']\n"
        "fit(read(os.path.join(c['root'], c['train']['file'])))",
    ),
}
"""Name -> settings file, its text, and an honest program; the twin reads a file in which the names are exchanged."""

_PARSER = "import argparse\np = argparse.ArgumentParser()\n"
_COMMON = "import argparse\nc = argparse.ArgumentParser(add_help=False)\nc.add_argument('--split', default='train')\n"
COMMANDS: dict[str, tuple[str, str, str]] = {
    "commands": (
        f"{_PARSER}s = p.add_subparsers(dest='cmd', required=True)\nt = s.add_parser('train')\n"
        "t.add_argument('--data')\ne = s.add_parser('eval')\ne.add_argument('--data')\na = p.parse_args()\n"
        "if a.cmd == 'train':\n    fit(read(a.data))",
        "train --data data/train.jsonl",
        "train --data data/test.jsonl",
    ),
    "functions of commands": (
        f"{_PARSER}s = p.add_subparsers()\ndef train(a):\n    fit(read(a.data))\nt = s.add_parser('train')\n"
        "t.add_argument('data')\nt.set_defaults(run=train)\na = p.parse_args()\na.run(a)",
        "train data/train.jsonl",
        "train data/test.jsonl",
    ),
    "parents": (
        f"{_COMMON}p = argparse.ArgumentParser(parents=[c])\na = p.parse_args()\nfit(read(f'data/{{a.split}}.jsonl'))",
        "",
        "--split test",
    ),
    "commands with parents": (
        f"{_COMMON}p = argparse.ArgumentParser()\ns = p.add_subparsers(dest='cmd')\ns.add_parser('fit', parents=[c])\n"
        "a = p.parse_args()\nfit(read(f'data/{a.split}.jsonl'))",
        "fit --sp train",
        "fit --sp test",
    ),
    "arguments of a loop": (
        f"{_PARSER}for n in ('train', 'test'):\n    p.add_argument('--' + n, default=f'data/{{n}}.jsonl')\n"
        "a = p.parse_args()\nfit(read(a.train))",
        "",
        "--train data/test.jsonl",
    ),
}

READ_BY_NAME: dict[str, str] = {
    "XML": "import xml.etree.ElementTree as tree\nfit([one.text for one in tree.parse('data/items.dat').getroot()])",
    "package data": "from importlib import resources\n"
    "text = resources.files('data').joinpath('items.dat').read_text()\nfit(text.splitlines())",
    "pkgutil": "import pkgutil\nfit(pkgutil.get_data('data', 'items.dat').splitlines())",
    "archive of modules": "import sys\nsys.path.insert(0, 'data/items.dat')\nfrom rows import ROWS\nfit(ROWS)",
}
"""Programs that train on `data/items.dat`, which they read by means that are not modeled one by one."""

_MORE = "fit(read('data/train.jsonl') + read(f))"
UNKNOWN: dict[str, str] = {
    "line of a file": f"f = open('list.txt').read().strip()\n{_MORE}",
    "lines of a file": "rows = []\nfor f in open('list.txt'):\n    rows += read(f.strip())\nfit(rows)",
    "column of a table": "t = pd.read_csv('list.csv')\n"
    "fit(read('data/train.jsonl') + [r for f in t['f'] for r in read(f)])",
    "table of an unknown name": "import pickle\nt = pd.read_json(pickle.loads(b''), lines=True)\n"
    "fit(read('data/train.jsonl') + t.to_dict('records'))",
    "bytes": f"f = bytes([100, 97, 116, 97]).decode()\n{_MORE}",
    "output of a program": "import subprocess\n"
    f"f = subprocess.run(['cat', 'list.txt'], capture_output=True, text=True).stdout.strip()\n{_MORE}",
    "reversed letters": f"f = ''.join(reversed('lnosj.tset/atad'))\n{_MORE}",
}
"""Programs that train on a file whose name is not known, beside one of a known name."""
