"""Find models of the Hugging Face Hub on this machine, without network access; `download.py` downloads them.

Files are in the Hub's own cache (`HF_HOME`), which other programs share; the store records the pulled files.
"""

import json
from pathlib import Path

from pydantic import ValidationError

from posttrainbench.errors import InputError, one_line
from posttrainbench.hub.store import store_root
from posttrainbench.records import Record

WEIGHTS_INDEX = "model.safetensors.index.json"
_SMALL = (".json", ".jinja", ".txt", ".model")


class ModelRecord(Record):
    """`models/ID.json` in the store: the files of a model that were pulled.

    Attributes:
        repository: repository on the Hub.
        revision: the commit, even if the catalog does not pin one.
        files: path -> SHA-256.
        time: time of the pull.
    """

    repository: str
    revision: str
    files: dict[str, str]
    time: str


def model_record_path(model_id: str) -> Path:
    """Return the path of a model's record in the store."""
    return store_root() / "models" / f"{model_id}.json"


def model_record(model_id: str) -> ModelRecord | None:
    """Read the record of a pulled model; None if it was not pulled.

    Raises:
        InputError: the record is damaged.
    """
    file = model_record_path(model_id)
    try:
        return ModelRecord.model_validate_json(file.read_bytes())
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValidationError, OSError) as error:
        raise InputError(f"{file} is damaged; delete it and pull {model_id} again: {one_line(error)}") from None


def local_snapshot(repository: str, revision: str) -> Path | None:
    """Return the directory of a model at a commit in the Hub's cache; None if it is not cached.

    Its files are links into the cache's `blobs`.
    """
    from huggingface_hub import try_to_load_from_cache

    config = try_to_load_from_cache(repository, "config.json", revision=revision)
    return Path(config).parent if isinstance(config, str) else None


def has_tokenizer(snapshot: Path) -> bool:
    """Return True if a snapshot has a tokenizer."""
    return (snapshot / "tokenizer_config.json").is_file()


def has_weights(snapshot: Path) -> bool:
    """Return True if a snapshot has a tokenizer and all its safetensors files."""
    if not has_tokenizer(snapshot):
        return False
    if not (snapshot / WEIGHTS_INDEX).is_file():
        return (snapshot / "model.safetensors").is_file()
    shards = set(json.loads((snapshot / WEIGHTS_INDEX).read_bytes())["weight_map"].values())
    return all((snapshot / shard).is_file() for shard in shards)


def is_checkpoint_file(name: str, weights: bool) -> bool:
    """Return True if a file of a repository is part of its checkpoint.

    Files in subdirectories and weights in other formats are not.

    Args:
        name: path in the repository.
        weights: True to include the safetensors files; False for configuration and tokenizer files only.
    """
    if "/" in name:
        return False
    if name == WEIGHTS_INDEX or name.endswith(".safetensors"):
        return weights
    return name.endswith(_SMALL)
