"""Upload files to a repository of the Hugging Face Hub, in one commit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.redaction import Redactor


def upload(
    repository: str,
    files: Mapping[str, Path],
    *,
    kind: Literal["model", "dataset"],
    message: str,
    public: bool,
    token: str,
) -> str:
    """Create a repository unless it exists, and add files to it in one commit. Return the URL of the commit.

    Args:
        repository: `OWNER/NAME`.
        files: path in the repository -> file.
        kind: kind of the repository.
        message: of the commit.
        public: whether a new repository is public; an existing one keeps its visibility.
        token: of an account with the right to write. It is never part of an error.

    Raises:
        InputError: the Hub denies access.
        InfrastructureError: the Hub cannot be reached or fails.
    """
    from huggingface_hub import CommitOperationAdd, HfApi

    api = HfApi(token=token)
    with _readable_errors(repository, token):
        api.create_repo(repository, repo_type=kind, private=not public, exist_ok=True)
        operations = [CommitOperationAdd(name, path) for name, path in sorted(files.items())]
        return str(api.create_commit(repository, operations, commit_message=message, repo_type=kind).commit_url)


@contextmanager
def _readable_errors(repository: str, token: str) -> Iterator[None]:
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except (errors.HfHubHTTPError, httpx2.HTTPError, OSError, ValueError) as error:
        response = getattr(error, "response", None)
        if getattr(response, "status_code", None) in (401, 403):
            raise InputError(
                f"The Hub denied access to {repository}; set HF_TOKEN to a token that may write there."
            ) from None
        text = Redactor([token]).line(one_line(error))
        raise InfrastructureError("hub_failed", f"{repository} could not be uploaded; try again: {text}") from None
