"""Download files that are not on the Hub: URLs that end in `#sha256=HASH`, as in pip.

The files are small: a file is kept in memory until its hash has been verified.
"""

from urllib.parse import urldefrag, urlsplit

from posttrainbench.errors import InfrastructureError, InputError, one_line
from posttrainbench.files import sha256_bytes, sha256_file, write_bytes
from posttrainbench.hub.download import OfflineError, ProgressCallback, VerifiedFile
from posttrainbench.hub.store import store_root, store_write_errors

TIMEOUT = 60.0


def is_url(file: str) -> bool:
    """Return True if a source's file is a URL and not a path in its repository."""
    return file.startswith(("https://", "http://"))


def fetch_url(url_with_hash: str, advance: ProgressCallback) -> VerifiedFile:
    """Download a file to the store's `files/HASH/NAME` unless it is there, and check its hash.

    Raises:
        InputError: the URL has no hash, or the file does not exist.
        InfrastructureError: the network failed, or the hash differs.
    """
    import httpx2
    from huggingface_hub.constants import is_offline_mode

    url, fragment = urldefrag(url_with_hash)
    sha256 = fragment.removeprefix("sha256=")
    name = urlsplit(url).path.rpartition("/")[2]
    if len(sha256) != 64 or not name:
        raise InputError(f"The URL {url} has no hash or no file name; write URL#sha256=HASH.")
    path = store_root() / "files" / sha256 / name
    if path.is_file() and sha256_file(path) == sha256:
        return VerifiedFile(path, sha256)
    if is_offline_mode():
        raise OfflineError(f"{url} is not on this machine and HF_HUB_OFFLINE is set; unset it and pull.")
    chunks = []
    try:
        with httpx2.stream("GET", url, follow_redirects=True, timeout=TIMEOUT) as response:
            response.raise_for_status()
            size = int(response.headers.get("Content-Length", 0))
            for chunk in response.iter_bytes():
                chunks.append(chunk)
                advance(name, len(chunk), size)
    except httpx2.HTTPStatusError as error:
        if error.response.status_code in (404, 410):
            raise InputError(f"{url} no longer exists; import a copy with `ptb data import`.") from None
        raise InfrastructureError("hub_failed", f"Could not download {url}; pull again: {one_line(error)}") from None
    except httpx2.HTTPError as error:
        raise InfrastructureError(
            "hub_failed", f"Could not download {url}; check the network and pull again: {one_line(error)}"
        ) from None
    arrived = b"".join(chunks)
    if sha256_bytes(arrived) != sha256:
        raise InfrastructureError("hub_failed", f"The hash of {url} is not {sha256[:12]}...; pull again.")
    with store_write_errors():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_bytes(path, arrived)
    return VerifiedFile(path, sha256)
