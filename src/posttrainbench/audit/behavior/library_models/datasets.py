"""Models of functions that train, and of functions that load published data sets."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from pathlib import PurePosixPath

from posttrainbench.audit.behavior import libraries as lib
from posttrainbench.audit.behavior import lost_flows
from posttrainbench.audit.behavior.call import Call, texts_of
from posttrainbench.audit.behavior.concrete import literal
from posttrainbench.audit.behavior.known_paths import split_files
from posttrainbench.audit.behavior.operations import attribute, defines, words
from posttrainbench.audit.behavior.row_operators import concatenated
from posttrainbench.audit.behavior.row_subscripts import window
from posttrainbench.audit.behavior.script_analysis import SPLITS, Trainer
from posttrainbench.audit.behavior.values import (
    NONE,
    UNKNOWN,
    Function,
    Taints,
    Value,
    cut,
    joined,
    sliced,
    unclear,
)

DICTIONARY = "datasets.DatasetDict()"
_ARRAYS = ("numpy.", "torch.", "jax.", "tensorflow.")
_FORMATS = frozenset("json csv parquet text arrow pandas".split())
_SLICES = frozenset("select take head sample islice skip tail".split())
_HELD_OUT = ("val", "eval", "test", "callback")
"""Beginnings of the names of arguments of `fit` that hold no training data."""
_MADE = frozenset("from_list from_dict".split())
"""Methods that make a data set of rows."""
_TRAINS = re.compile(
    r"(run_|do_|start_|one_)?(train|training|finetune|fine_tune|fit|learn|forward_backward)"
    r"(_(step|loop|epoch|batch|model|network|worker|fn|func|all|one_\w+|and_\w+))?|\w+_(train|training)(_step|_loop)?"
)
"""Functions and methods that train, of any library."""
_LOOPS = ("train_loop_per_worker", "trainer_init_per_worker", "train_func")
"""Arguments that are functions which train on each worker."""
HARNESS = "a task of an evaluation harness"


def training(call: Call) -> Value | None:
    """Model of trainers, `backward()` and `fit()`: taint sinks."""
    names = call.function.names
    if call.context.world is None:
        call.context.result.trains |= _trains(call)
        if (remote := _remote(call)) is not None:
            return remote
    if call.is_in("reads_others") and not call.function.functions:
        call.context.result.others = True
        if call.context.follows_everything:
            return Value(call.source(call.taint(call.source_text)), names=frozenset([f"{call.last}()"]), whole=True)
    if lib.tables().makes_trainer(names) and not (call.receiver and call.receiver.names & names):
        data = next((call.named[key] for key in lib.tables().training_data if key in call.named), None)
        if data is None:
            held_out = [lost_flows.role(name) == "held out" for name in _names_of_arguments(call)]
            given = [value for value, is_held_out in zip(call.arguments, held_out, strict=True) if not is_held_out]
            candidates = [value for value in given[2:4] if value.all() or value.splits]
            data = candidates[0] if candidates else Value(call.named[UNKNOWN].taints if UNKNOWN in call.named else NONE)
        data = joined(data, call.named["data_collator"]) if "data_collator" in call.named else data
        loader = call.function.fields.get("get_train_dataloader")
        fields = {"train_dataset": data}
        if "eval_dataset" in call.named and call.context.world is not None:
            fields["eval_dataset"] = call.named["eval_dataset"]
        trainer = Value(names=frozenset(["transformers.Trainer()"]), fields=fields, truth=True)
        if loader is not None and loader.functions:
            own = replace(trainer, functions=tuple(replace(one, bound=trainer) for one in loader.functions))
            fields["train_dataset"] = joined(data, call.invoke(own, []))
        how = f"{ast.unparse(call.node.func)[:60]}(train_dataset=...)"
        has_data = _is_given_data(call) or loader is not None
        call.context.trainers.append(Trainer(call.caller.script, call.line, how, trainer, call.produced, has_data))
        return trainer
    if call.last == "train" and call.receiver is not None and "transformers.Trainer()" in call.receiver.names:
        call.context.start(call.receiver)
        return Value()
    if call.last == "backward":
        value = joined(call.receiver or Value(), *call.arguments)
        call.sink("backward() of a loss computed from the data", value)
        return Value()
    if call.last == "grad" and any(name.endswith("autograd.grad") for name in names) and call.arguments:
        call.sink("gradient of a loss computed from the data", call.arguments[0])
        return None
    if call.last == "prepare" and call.arguments and not call.function.functions:  # of Accelerate: what it is given
        parts = {str(number): value for number, value in enumerate(call.arguments)}
        return Value(fields=parts, truth=True) if len(parts) > 1 else call.arguments[0]
    if call.is_in("wrappers") and call.arguments and not call.function.functions:
        return call.arguments[0]
    if call.last == "gradient" and any("GradientTape" in name for name in names):
        call.sink("gradient of a loss computed from the data", call.argument(0, "target") or Value())
        return None
    if _is_decorated(call):
        call.sink(
            "gradient of a loss computed from the data", joined(Value(), *call.arguments[1:], *call.named.values())
        )
        return None
    if call.is_in("gradients") and call.all_arguments():
        taints = NONE.union(*(_enclosed(one) for value in call.all_arguments() for one in value.functions))
        if call.last in ("vjp", "jvp", "linearize"):  # which also call the function
            call.sink("gradient of a loss computed from the data", joined(Value(taints), *call.arguments[1:]))
        return Value(taints, names=frozenset(f"{name}()" for name in names))
    if lib.tables().is_gradient(names):
        data = joined(Value(call.function.all()), *call.arguments[1:], *call.named.values())
        call.sink("gradient of a loss computed from the data", data)
        return None
    if call.is_in("trains") and not call.function.functions and _fits(call):
        named = [value for key, value in call.named.items() if not key.startswith(_HELD_OUT)]
        given = [*call.arguments[:2], *named]
        rows = [value for value in given if not _is_module(value)]
        loaded = [] if any(value.all() or value.all_splits() for value in rows) else _hooks(call, given)
        call.sink(f"{call.last}(...)", joined(Value(), *rows, *loaded))
        return Value()
    if _makes_own_trainer(call):
        data = joined(Value(), *(call.named[key] for key in lib.tables().training_data if key in call.named))
        call.sink(f"{call.source_text[:60]} with its training data", data)
    return None


def _names_of_arguments(call: Call) -> list[str]:
    """Return the names of the variables and attributes that are passed by position; "" for other values."""
    nodes = [node for node in call.node.args if not isinstance(node, ast.Starred)]
    if len(nodes) != len(call.arguments):
        return [""] * len(call.arguments)
    return [node.id if isinstance(node, ast.Name) else getattr(node, "attr", "") for node in nodes]


def _is_given_data(call: Call) -> bool:
    """Return True if a trainer that is made is given training data."""
    return any(key in call.named for key in lib.tables().training_data) or len(call.arguments) > 2


def _makes_own_trainer(call: Call) -> bool:
    """Return True if a call makes an instance of a class of the script that is called a trainer, with training data."""
    classes = [one.node.name for one in call.function.functions if isinstance(one.node, ast.ClassDef)]
    return lib.tables().makes_trainer(classes) and not call.named.keys().isdisjoint(lib.tables().training_data)


def _is_module(value: Value) -> bool:
    """Return True for an instance of a class of the script that is a Lightning module or data module."""
    return defines(value, "training_step") or defines(value, "train_dataloader")


def _hooks(call: Call, modules: list[Value]) -> list[Value]:
    """Return the training data that Lightning's hooks of the modules which are given to `fit` load."""
    found = []
    for module in modules:
        if defines(module, "train_dataloader"):
            for hook in ("prepare_data", "setup"):
                if defines(module, hook):
                    call.invoke(attribute(module, hook), [Value(texts=frozenset(["fit"]))] if hook == "setup" else [])
            found.append(call.invoke(attribute(module, "train_dataloader"), []))
    return found


def _enclosed(function: Function) -> Taints:
    """Return the taints of the variables around a function that it uses, such as the batch of a loss."""
    parameters = {one.arg for one in ast.walk(function.node) if isinstance(one, ast.arg)}
    names = [one for one in ast.walk(function.node) if isinstance(one, ast.Name)]
    own = parameters | {one.id for one in names if isinstance(one.ctx, ast.Store)}
    used = {one.id for one in names} - own
    return NONE.union(*(value.all() for name in used if (value := function.scope.find(name)) is not None))


def _is_decorated(call: Call) -> bool:
    """Return True if a decorator lets a function of the script return its gradient."""
    for function in call.function.functions:
        for decorator in getattr(function.node, "decorator_list", []):
            root, _, rest = ast.unparse(decorator.func if isinstance(decorator, ast.Call) else decorator).partition(".")
            value = function.scope.find(root)
            names = {".".join(filter(None, [name, rest])) for name in (value.names if value is not None else ())}
            if lib.tables().has("gradients", names, (rest or root).rpartition(".")[2]):
                return True
    return False


def _trains(call: Call) -> bool:
    """Return True if a call shows that the program trains, whatever the data."""
    if call.last == "step":
        return "optim" in ast.unparse(call.node.func).lower()
    if call.last == "LightningCLI":
        return "fit" in (call.context.argv or ())
    return _TRAINS.fullmatch(call.last) is not None and not _sets_mode(call)


def _remote(call: Call) -> Value | None:
    """Model of Ray: functions and actors that run elsewhere, and trainers whose workers ask for their data."""
    receiver = call.receiver
    if receiver is not None and receiver.functions and call.last in ("remote", "options"):
        return call.invoke(receiver, call.arguments, call.named) if call.last == "remote" else receiver
    if call.last == "get" and "ray.get" in call.function.names and call.arguments:
        return call.arguments[0]
    if call.last == "get_dataset_shard":
        name = min((call.argument(0, "dataset_name") or Value()).texts, default="train")
        return call.context.shards.get(name, Value())
    loop = next((call.named[name] for name in _LOOPS if name in call.named), call.argument(0))
    if not call.last.endswith("Trainer") or "datasets" not in call.named or loop is None or not loop.functions:
        return None
    if any(isinstance(one.node, ast.ClassDef) for one in call.function.functions):
        return None
    call.context.shards = call.named["datasets"].fields
    call.invoke(loop, [call.named.get("train_loop_config") or Value()])
    call.sink(f"{call.last}(datasets=...)", call.context.shards.get("train") or Value())
    return Value(names=frozenset(["ray.train.Trainer()"]), truth=True)


def _sets_mode(call: Call) -> bool:
    """Return True for `model.train(False)`, which prepares an evaluation."""
    first = call.argument(0, "mode")
    return first is not None and first.truth is False and first.number is None and not first.texts


def _fits(call: Call) -> bool:
    """Return True if a call of `fit` may train a network."""
    if call.last not in ("fit", "fit_generator"):
        return True
    owner = ast.unparse(call.node.func).rpartition(".")[0]
    names = " ".join([owner, *(call.receiver.names if call.receiver is not None else ())])
    known = lib.tables()
    return bool(known.networks.search(names)) and not known.not_networks.search(names)


def data_sets(call: Call) -> Value | None:
    """Model of functions that load data sets or evaluation logs, or select rows of them."""
    test_data, names = call.files.test_data, call.function.names
    if call.last == "load_dataset" and not call.function.functions:
        followed = _followed_data(call) if call.context.world is not None else None
        return followed if followed is not None else _load_dataset(call)
    if call.last in ("hf_dataset", "load_dataset_builder") or any(name.endswith("MsDataset.load") for name in names):
        return _load_dataset(call, second="split" if call.last == "hf_dataset" else "name")
    if call.last == "as_dataset" and call.receiver is not None and call.receiver.splits:
        split = call.argument(0, "split")
        return (
            call.context.select_split(call.receiver, split, call.caller.script, call.line) if split else call.receiver
        )
    if (harness := _harness(call)) is not None:
        return harness
    owner = call.receiver
    if owner is not None and _is_of_splits(owner) and call.is_in("split_methods"):
        parts = {name: _mapped(call, part) if call.last == "map" else part for name, part in owner.fields.items()}
        return Value(owner.taints, fields=parts, splits=owner.splits, names=owner.names, truth=True)
    if call.last in ("hf_hub_download", "snapshot_download", "cached_download"):
        repo, file = call.argument(0, "repo_id") or Value(), call.argument(1, "filename") or Value()
        files = file.texts or frozenset([""])
        target = call.named.get("local_dir")
        texts = frozenset(f"hub:{r}//{f}" for r in repo.texts for f in files)
        if target is not None:
            call.write(target, call.read(Value(texts=texts)))
        return Value(texts=texts)
    if call.is_in("logs"):
        return Value(call.read(call.argument(0)) or call.source(call.taint("an evaluation log", sure=False)))
    if any(test_data.package(name) for name in call.function.names):
        return Value(call.source(call.taint(call.source_text)) | call.argument_taints())
    if call.last in _MADE and call.context.world is None and any("Dataset" in name for name in names):
        rows = call.argument(0, "mapping", "data") or Value()
        return Value(rows.taints, names=frozenset(["datasets.Dataset()"]), fields=rows.fields, truth=True)
    if call.last == "DatasetDict":
        first = call.argument(0) or Value(fields=dict(call.named))
        return Value(first.taints, fields=first.fields, splits=first.splits, names=frozenset([DICTIONARY]), truth=True)
    if (
        call.last in _SLICES
        and (call.receiver or call.arguments)
        and not any(name.startswith(_ARRAYS) for name in call.function.names)
    ):
        base = call.receiver if call.receiver is not None and call.receiver.all() else (call.argument(0) or Value())
        numbers = [value.number for value in call.all_arguments() if value.number is not None]
        if call.context.world is None:  # others stand for no limit
            numbers = [number for number in numbers if number > 0]
        counted = numbers and base.whole and call.last not in ("skip", "tail")
        some = sliced(base, numbers[-1]) if counted else base
        return some if call.last == "sample" else cut(some)
    if call.last == "map" and call.receiver is not None and call.receiver.all_splits():
        return call.receiver  # no split has been chosen yet
    if call.last == "map" and call.receiver is not None and not lib.POOLS.search(" ".join(call.receiver.names)):
        return _mapped(call, call.receiver)
    return None


def _is_of_splits(value: Value) -> bool:
    """Return True for a collection of splits."""
    by_name = len(value.fields) > 1 and value.fields.keys() <= set(SPLITS) and not value.taints and not value.functions
    return DICTIONARY in value.names or bool(value.splits) or by_name


def _harness(call: Call) -> Value | None:
    """Model of evaluation harnesses, whose tasks hold the test items: lm-eval, verifiers."""
    if call.is_in("harness_tasks"):
        tasks = texts_of(call.argument(0))
        named = [task for task in tasks if call.files.test_data.names_benchmark(task)]
        task = Value(names=frozenset([HARNESS] if named else []), truth=True)
        return Value(names=task.names, fields=dict.fromkeys(tasks, task) | {UNKNOWN: task}) if named else None
    if call.receiver is not None and HARNESS in call.receiver.names:
        if call.is_in("harness_test_rows"):
            return Value(call.source(call.taint(call.source_text)), whole=True)
        return Value() if call.is_in("harness_other_rows") else None
    return None


def _load_dataset(call: Call, second: str = "name") -> Value:
    path = call.argument(0, "path", "dataset_name") or Value()
    config = min((call.argument(1 if second == "name" else 9, "name", "subset_name") or Value()).texts, default="")
    files = call.named.get("data_files")
    if files is not None and not texts_of(files) and not files.all() and path.texts - _FORMATS:
        files = None  # a program that could also read files
    split = call.argument(2 if second == "name" else 1, "split")
    keys = {key for key in (files.fields if files is not None else ()) if not key.isdigit() and key != UNKNOWN}
    if files is not None and (keys or split is None):
        parts = {key: Value(call.read(files.fields[key]), whole=True) for key in sorted(keys)}
        parts = parts or {"train": Value(call.read(files), whole=True)}
        chosen = {text.partition("[")[0] for text in texts_of(split)} & parts.keys()
        if split is None:
            return Value(fields=parts, names=frozenset([DICTIONARY]), truth=True)
        if chosen:
            return joined(*(parts[key] for key in sorted(chosen)))
    if second == "name" and call.arguments[2:] and "split" not in call.named and len(call.arguments) < 6:
        split = call.arguments[2] if call.arguments[2].texts else None
    split = _of_enumeration(split)
    parts = {key: part for key, part in split.fields.items() if key.isdigit()} if split is not None else {}
    if parts and len(parts) == len(split.fields if split is not None else ()):  # a list of splits gives a list
        return Value(fields={key: _rows(call, path, config, files, part) for key, part in parts.items()}, truth=True)
    return _rows(call, path, config, files, split)


def _of_enumeration(split: Value | None) -> Value | None:
    """Return the name of a split that is a member of an enumeration, such as `datasets.Split.TRAIN`."""
    if split is None or split.texts:
        return split
    found = {name.rpartition(".")[2].lower() for name in split.names if ".Split." in name}
    return replace(split, texts=frozenset(found)) if found else split


def _rows(call: Call, path: Value, config: str, files: Value | None, split: Value | None) -> Value:
    """Return the rows of one split of the data sets at `path`, or their splits if none is named."""
    taints = call.read(files) if files is not None else NONE
    lazily = call.context.world is None and files is None and _is_unknown(path)
    call.context.result.others |= files is not None or (not lazily and (not path.texts or _is_partly(path)))
    if call.context.follows_everything and (files is not None or not path.texts - _FORMATS or _is_partly(path)):
        taints |= call.source(call.taint(call.source_text, sure=bool(texts_of(files))))
    splits: set[tuple[str, str]] = set()
    for repo in sorted(path.texts):
        if repo in _FORMATS or UNKNOWN in repo:
            continue
        taints |= call.files.written(call.files.resolve(repo, call.context.cwd))
        taints |= call.files.written(f"hub:{repo}")
        if call.files.test_data.repository(repo, config or UNKNOWN, UNKNOWN) is False:
            call.context.result.others = True
            continue
        if split is None:
            splits.add((repo, config))
        for text in texts_of(split) if split is not None else ():
            taints |= call.test_rows(repo, config, text)
        if split is not None and not texts_of(split):
            taints |= call.test_rows(repo, config, UNKNOWN)
    if lazily:
        if split is None:
            splits.add((UNKNOWN, config))
        for text in texts_of(split) if split is not None else ():
            taints |= call.test_rows(UNKNOWN, config, text)
    return Value(taints, splits=frozenset(splits), names=frozenset(["datasets.Dataset()"]), truth=True, whole=True)


def _is_partly(path: Value) -> bool:
    """Return True if a part of a name is not known."""
    return any(UNKNOWN in text for text in path.texts)


def _is_unknown(path: Value) -> bool:
    """Return True if the name of a data set is not known, and not read from the program's own files."""
    return (not path.texts or UNKNOWN in path.texts) and not path.all() and not path.fields


def _followed_data(call: Call) -> Value | None:
    """Return the data set that is read from files, where one row is followed; None if it is not known."""
    path, files = literal(call.argument(0, "path") or Value()), call.named.get("data_files")
    folder = literal(call.named.get("data_dir", Value())) if path in _FORMATS else path
    of_folder = split_files(call, str(folder)) if files is None and isinstance(folder, str | PurePosixPath) else None
    if of_folder is not None:
        path, files = "json", Value(fields={split: words(names, NONE) for split, names in of_folder.items()})
    if path not in _FORMATS:
        if not isinstance(path, str) or call.context.world is None or files is not None:
            return None
        files = call.argument(0, "path") or Value()
        if call.context.world.content(call.files.resolve(path, call.context.cwd), NONE) is None:
            return None
    if files is None:
        return None
    keys = [key for key in files.fields if not key.isdigit() and key != UNKNOWN]
    parts = {key: call.read_value(files.fields[key]) for key in keys} or {"train": call.read_value(files)}
    field = literal(call.named.get("field", Value()))
    if isinstance(field, str):
        parts = {key: part.fields.get(field, Value()) for key, part in parts.items()}
    if list(parts) == ["train"] and parts["train"].fields and UNKNOWN not in parts["train"].fields:
        parts = dict(parts["train"].fields)  # the folders of a directory
    split = call.argument(2, "split")
    if split is None:
        return Value(fields=parts, names=frozenset([DICTIONARY]), truth=True)
    names = literal(split)
    if not isinstance(names, str):
        return unclear(joined(*parts.values()), part="file")
    return concatenated([_part(parts, name.strip()) for name in names.split("+")])


def _part(parts: dict[str, Value], name: str) -> Value:
    """Return a split, or a slice of one such as `train[50%:]`."""
    split, _, rest = name.partition("[")
    rows = concatenated(list(parts.values())) if split == "all" else parts.get(split, Value())
    if not rest:
        return rows
    bounds: list[Value | None] = []
    for text in rest.rstrip("]").partition(":")[::2]:
        number = float(text.rstrip("%")) if re.fullmatch(r"-?\d+(\.\d+)?%?", text) else None
        if number is not None and text.endswith("%"):
            number = None if rows.total is None else number * rows.total / 100
        known = Value(number=round(number), literal=round(number)) if number is not None else Value()
        bounds.append(known if text else None)
    nodes = [None if bound is None else ast.Name("bound") for bound in bounds]
    return window(rows, ast.Slice(*nodes), [*bounds, None])


def _mapped(call: Call, base: Value) -> Value:
    function = call.argument(0, "function", "func")
    result = Value(base.all(), names=base.names, whole=base.whole)
    if function is not None and function.functions:
        result.taints |= call.invoke(function, [call.element(base)]).all()
    return result
