"""Downloads from the Hugging Face Hub at a pinned commit, with the hash of every file checked.

An interrupted connection is resumed. After a crash, complete files are kept and the incomplete one is downloaded again.
"""

import hashlib
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.files import sha256_file

if TYPE_CHECKING:
    from huggingface_hub.hf_api import RepoFile

RepoType = Literal["model", "dataset"]
ProgressCallback = Callable[[str, int, int], None]
"""Called with (file, number of bytes that just arrived, total bytes of the file)."""


class UnreachableError(InfrastructureError):
    """The Hub does not answer, so that other downloads would fail too."""

    def __init__(self, name: str, reason: str) -> None:
        message = f"Could not download {name} from the Hub; check the network and pull again: {reason}"
        super().__init__("hub_failed", message)
        self.reason = reason


class OfflineError(InputError):
    """Something is not on this machine, and the user has forbidden downloads."""


@dataclass(frozen=True)
class Repository:
    """A repository of the Hub at one commit."""

    name: str
    revision: str
    kind: RepoType

    @property
    def page(self) -> str:
        """The address of the repository's web page."""
        return f"https://huggingface.co/{'datasets/' if self.kind == 'dataset' else ''}{self.name}"


@dataclass(frozen=True)
class VerifiedFile:
    """A file that was downloaded and verified."""

    path: Path
    sha256: str


def current_commit(model: str) -> str:
    """Return the current commit of the branch `main` of a model's repository.

    Raises:
        InputError: see `fetch_file`.
        InfrastructureError: see `fetch_file`.
    """
    from huggingface_hub import HfApi

    with _readable_errors(Repository(model, "main", "model")):
        return str(HfApi().model_info(model).sha)


def list_files(repository: Repository) -> "list[RepoFile]":
    """Return the files in the top directory of a repository.

    Raises:
        InputError: see `fetch_file`.
        InfrastructureError: see `fetch_file`.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    with _readable_errors(repository):
        entries = HfApi().list_repo_tree(repository.name, revision=repository.revision, repo_type=repository.kind)
        return [file for file in entries if isinstance(file, RepoFile)]


def file_infos(repository: Repository, names: list[str]) -> "list[RepoFile]":
    """Return sizes and hashes of some files, in the given order.

    Raises:
        InputError: a file is missing; see also `fetch_file`.
        InfrastructureError: see `fetch_file`.
    """
    from huggingface_hub import HfApi
    from huggingface_hub.hf_api import RepoFile

    with _readable_errors(repository):
        infos = HfApi().get_paths_info(repository.name, names, revision=repository.revision, repo_type=repository.kind)
    by_name = {file.path: file for file in infos if isinstance(file, RepoFile)}
    for name in names:
        if name not in by_name:
            raise InputError(f"{repository.name} has no file {name} at {repository.revision}; fix the source.")
    return [by_name[name] for name in names]


def silence_client_logs() -> None:
    """Silence the Hub client's messages about retries; a final failure raises an error."""
    from huggingface_hub.utils.logging import set_verbosity

    set_verbosity(logging.ERROR)


def fetch_file(repository: Repository, file: "RepoFile", advance: ProgressCallback) -> VerifiedFile:
    """Download a file unless the Hub's cache has it, and check its hash against the Hub's.

    Args:
        repository: the repository and commit.
        file: size and hash of the file; see `file_infos`.
        advance: called as bytes arrive, and once with all bytes if the file was cached.

    Raises:
        InputError: the repository, the commit or the file does not exist or is not accessible to this user, the file
            is not cached and HF_HUB_OFFLINE is set, or the Hub's cache is not writable.
        InfrastructureError: the network failed, or the hash differs.
    """
    from huggingface_hub import hf_hub_download

    arrived = 0

    def count(size: int) -> None:
        nonlocal arrived
        arrived += size
        advance(file.path, size, file.size)

    with _readable_errors(repository):
        path = Path(
            hf_hub_download(
                repository.name,
                file.path,
                repo_type=repository.kind,
                revision=repository.revision,
                tqdm_class=_counting_bar(count),
            )
        )
    count(file.size - arrived)
    sha256 = sha256_file(path)
    if path.stat().st_size != file.size or not _matches(path, sha256, file):
        path.resolve().unlink()
        path.unlink(missing_ok=True)
        raise InfrastructureError(
            "hub_failed",
            f"The hash of {file.path} of {repository.name} differs from the Hub's; pull again.",
        )
    return VerifiedFile(path, sha256)


def _matches(path: Path, sha256: str, file: "RepoFile") -> bool:
    """Compare with the Hub's hash: SHA-256 for large files, the git blob id for others."""
    if file.lfs:
        return sha256 == file.lfs.sha256
    data = path.read_bytes()
    return hashlib.sha1(b"blob %d\0%b" % (len(data), data), usedforsecurity=False).hexdigest() == file.blob_id


def _counting_bar(count: Callable[[int], None]) -> type[Any]:
    """Return a class with the interface of a tqdm progress bar; it only passes byte counts to `count`."""

    class Bar:
        def __init__(self, *args: Any, total: float | None = None, **options: Any) -> None:
            self.total = total

        def __enter__(self) -> Self:
            return self

        def __exit__(self, *error: object) -> None:
            pass

        def update(self, n: float = 1) -> None:
            count(int(n))

        def ignore(self, *args: Any, **options: Any) -> None:
            pass

        # The client reports bytes from the network and bytes of the file; only the latter are counted.
        update_transfer = set_transfer_postfix_str = set_postfix_str = refresh = close = ignore

    return Bar


@contextmanager
def _readable_errors(repository: Repository) -> Iterator[None]:
    """Convert errors of the Hub's client to `InputError` or `InfrastructureError` with a hint how to fix them."""
    import httpx2
    from huggingface_hub import errors
    from huggingface_hub.constants import is_offline_mode

    name, page = repository.name, repository.page
    try:
        yield
    except errors.GatedRepoError:
        raise InputError(
            f"{name} is gated: accept its conditions on {page}, then set HF_TOKEN to a token of that account."
        ) from None
    except errors.RepositoryNotFoundError:
        raise InputError(
            f"The Hub cannot find {page}; if the name is right and the repository is private, set HF_TOKEN."
        ) from None
    except errors.RevisionNotFoundError:
        raise InputError(f"{name} has no commit {repository.revision} on the Hub; fix the revision.") from None
    except errors.RemoteEntryNotFoundError:
        raise InputError(f"{name} is missing a file at {repository.revision}; fix the source.") from None
    except (httpx2.HTTPError, OSError) as error:
        if is_offline_mode():
            raise OfflineError(f"{name} is not on this machine and HF_HUB_OFFLINE is set; unset it and pull.") from None
        if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
            raise InputError(
                f"Cannot write {name} to the Hub's cache; set HF_HOME to a writable directory with free space: "
                f"{one_line(error)}"
            ) from None
        cause = error.__cause__ if isinstance(error.__cause__, Exception) else error
        if isinstance(cause, errors.HfHubHTTPError) and cause.response.status_code in (401, 403):
            raise InputError(f"The Hub denied access to {page}; set HF_TOKEN to a token with read access.") from None
        if isinstance(error, httpx2.TransportError | ConnectionError) or isinstance(cause, httpx2.TransportError):
            raise UnreachableError(name, one_line(cause)) from None
        raise InfrastructureError(
            "hub_failed", f"Could not download {name} from the Hub; check the network and pull again: {one_line(cause)}"
        ) from None
