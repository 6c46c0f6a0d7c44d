"""Classify internet addresses: repositories, hosted-model APIs, rented compute, package indices, ...

Covers: the Hugging Face Hub with its mirrors and ModelScope, GitHub, hosted-model APIs, rented compute, package
indices, and published runs of this benchmark. Only the address is used, never the content behind it.

Does not cover: copies under unrelated names; the Hub's storage hosts, whose URLs do not identify a repository (they
can be reached only through links that the Hub issues).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import parse_qs, parse_qsl, unquote, urlsplit

from posttrainbench.gateway.egress.generative import is_generative_protocol, is_model_space
from posttrainbench.gateway.egress.known_hosts import (
    API_FOLDERS,
    FILE_HOSTS,
    GIT_SSH_HOSTS,
    GITHUB,
    HUB,
    JSDELIVR,
    KINDS,
    MIXED_SITES,
    MODELSCOPE,
    PAPERS,
    PUBLISHED_HOSTS,
    PUBLISHED_PATHS,
    RAW_GITHUB,
    REMOTE_SHELL_PORTS,
    VENDOR_SITES,
    VIEWER,
    is_space,
    is_tunnel,
)
from posttrainbench.records import DestinationKind


@dataclass(frozen=True)
class Destination:
    """The classification of an address.

    Attributes:
        repo: `OWNER/NAME` on the Hub or ModelScope, `github.com/OWNER/NAME` on GitHub, `HOST/FOLDER` on `FILE_HOSTS`;
            None if the address does not identify a repository.
        revision: branch, tag or commit, if the address names one.
        file: path in the repository; `git` if git transfers all files; `CONFIG/SPLIT` for the Hub's dataset viewer.
        any_file: the path is not known, or shows files without naming them, so any file of the repository may be behind
            it.
    """

    kind: DestinationKind
    repo: str | None = None
    revision: str | None = None
    file: str | None = None
    any_file: bool = False


OTHER = Destination("other")

_API_PATH = re.compile(r"(api|v\d.*|graphql|t?rpc|tun|ws|gradio_api|queue|call|run|predict|generate)", re.IGNORECASE)
"""Top-level folders of a website that serve an API."""

_TRACES = re.compile(r"post[-_.]?train(?:ing)?[-_.]?bench", re.IGNORECASE)

_HUB_PAGES = frozenset(
    "api docs blog papers models datasets spaces chat tasks learn posts search login join logout settings new pricing "
    "organizations collections enterprise notifications front inference-endpoints inference terms-of-service privacy "
    "favicon.ico robots.txt changelog join-the-discussion buckets oauth".split()
)
"""First path segments of the Hub's own pages, which are not owners of repositories."""

_ACTIONS = frozenset(
    "resolve raw blob tree blame commit commits discussions viewer edit upload lfs-files embed".split()
)
_IDENTIFYING = frozenset("dataset config split revision ref filepath".split())
"""Parameters that identify content, in lower case."""

_HUB_LISTS = frozenset(["commits", "discussions", "settings"])
_API_LISTS = frozenset(
    "revision tree paths-info resolve commits refs xet-read-token xet-write-token treesize lfs-files parquet croissant "
    "scan discussions jwt preupload commit".split()
)
_API_ACTIONS = _API_LISTS | {"compare", "sql-console"}
_VIEWER_LISTS = frozenset("splits info size parquet is-valid croissant croissant-crumbs".split())
_MODELSCOPE_LISTS = frozenset("revisions summary quickstart files tree branches".split())
_GITHUB_LISTS = frozenset(
    "issues pulls wiki releases tags branches commits stargazers network graphs labels milestones discussions projects "
    "pulse activity forks watchers topics languages contributors license subscribers stats readme contents tree".split()
)
_GITHUB_GIT_LISTS = frozenset("trees refs ref matching-refs commits tags".split())
"""Pages and interfaces of repositories that list or describe files without showing them."""
_COMMIT = re.compile("[0-9a-f]{40}")
_GIT = ("info", "git-upload-pack", "git-receive-pack", "HEAD", "objects")


def classify(host: str, path: str | None = None, port: int = 443) -> Destination:
    """Classify an address.

    Args:
        host: name or address, without the port.
        path: path and query, as requested; None if unknown.
        port: identifies remote shells.
    """
    host = normal_host(host) or host
    url = urlsplit("//host" + path) if path and path.startswith("/") else None
    parts = _parts(url.path) if url else None
    query = parse_qs(url.query) if url else {}
    destination = _classify(host, parts, query)
    if destination == OTHER and parts is not None:
        destination = _by_path(host, parts, query)
    repo = destination.repo
    if destination.kind in ("model", "dataset", "other") and repo and _TRACES.search(repo):
        return Destination("traces", repo, destination.revision, destination.file)
    if destination == OTHER and (PUBLISHED_HOSTS.search(host) or PUBLISHED_PATHS.search("/".join(parts or []))):
        return Destination("traces")
    if destination.kind == "other" and port in REMOTE_SHELL_PORTS and not (port == 22 and host in GIT_SSH_HOSTS):
        return Destination("remote_compute", repo)
    return destination


def normal_host(host: str) -> str | None:
    """Return a host name in lower case, without a trailing dot, and in its ASCII form (IDNA) as it is resolved.

    `huggingf\u00aace.co` (with U+00AA) resolves as `huggingface.co`.

    Returns:
        None if the name does not have an ASCII form.
    """
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError:
            return None
    return host.lower().rstrip(".")


def repeated_parameter(host: str, path: str) -> str | None:
    """Return a parameter that identifies content and occurs twice in the query; None if there is none.

    Servers differ in which one counts, so such a request cannot be classified.
    """
    if not depends_on_path(host):
        return None
    seen: set[str] = set()
    for name, _ in parse_qsl(path.partition("?")[2].partition("#")[0], keep_blank_values=True):
        if name in seen:
            return name
        if name.lower() in _IDENTIFYING:
            seen.add(name)
    return None


def unidentified(host: str, path: str) -> str | None:
    """Return what of an address hides which repository it belongs to; None if nothing does."""
    host = normal_host(host) or host
    parts = _parts(path.partition("?")[0].partition("#")[0])
    if host == "api.github.com" and parts[:1] in (["repositories"], ["graphql"]):
        return "GitHub's interfaces for repositories by number and for GraphQL"
    if host in JSDELIVR and parts[:1] == ["combine"] and "gh/" in "/".join(parts[1:]):
        return "jsDelivr's combined files"
    if host in MODELSCOPE:
        parts = parts[2:] if parts[:2] == ["api", "v1"] else parts
        if len(parts) > 2 and parts[0] in ("models", "datasets") and parts[1].isdigit() and parts[2] in ("repo", "oss"):
            return "ModelScope's interfaces for repositories by number"
    return None


def page_address(host: str, path: str) -> str:
    """Return the web address that a request is for, normalized as servers do."""
    folder, question, query = path.partition("#")[0].partition("?")
    return f"https://{normal_host(host) or host}/{'/'.join(_parts(folder))}{question}{unquote(query)}"


def _parts(path: str) -> list[str]:
    """Return the segments of a path, normalized as servers do: decoded, without `.` and empty ones, `..` resolved.

    A slash may be percent-encoded: `OWNER%2FNAME` is the same repository.
    """
    parts: list[str] = []
    for part in unquote(path).split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return parts


def depends_on_path(host: str) -> bool:
    """Return whether the classification of this host's addresses depends on the path."""
    host = normal_host(host) or host
    known = (HUB, VIEWER, MODELSCOPE, GITHUB, JSDELIVR, FILE_HOSTS, VENDOR_SITES, PAPERS, MIXED_SITES)
    return any(host in hosts for hosts in known) or is_tunnel(host) or is_space(host)


def is_web_page(host: str, path: str | None) -> bool:
    """Return whether a `GET` of this address shows a web page rather than using a compute service.

    Args:
        path: path and query, as requested; None if unknown, which counts as the service.
    """
    host = normal_host(host) or host
    if not path or not (host in VENDOR_SITES or is_tunnel(host) or is_space(host)):
        return False
    parts = _parts(path.partition("?")[0])
    return not (parts and _API_PATH.fullmatch(parts[0]))


def matches_repository(destination: Destination, patterns: Iterable[str]) -> bool:
    """Return whether a destination is one of the given repositories or files.

    Args:
        patterns: shell-style patterns `OWNER/NAME` or `OWNER/NAME:FILE`, case-insensitive. A pattern with a file does
            not match addresses of the repository without a file, unless any file may be behind them.
    """
    if destination.repo is None:
        return False
    repo = destination.repo.lower()
    for pattern in patterns:
        name, _, file = pattern.lower().partition(":")
        if fnmatchcase(repo, name) and (not file or _matches_file(destination, file)):
            return True
    return False


def is_model_variant(destination: Destination, name: str, unless: str) -> bool:
    """Return whether a destination is a model or, judged by its name, a copy, quantization or conversion of it.

    Args:
        name: the model, such as `Qwen/Qwen3-1.7B`; `unsloth/Qwen3-1.7B-GGUF` is a variant of it.
        unless: another model whose variants do not count, such as `Qwen/Qwen3-1.7B-Base`.
    """
    if destination.kind != "model" or destination.repo is None:
        return False
    repo_name = destination.repo.rpartition("/")[2].lower()
    model, other = (each.rpartition("/")[2].lower() for each in (name, unless))
    return _extends(repo_name, model) and not (len(other) > len(model) and _extends(repo_name, other))


def _extends(name: str, start: str) -> bool:
    return name == start or (name.startswith(start) and name[len(start)] in "-_.")


def _matches_file(destination: Destination, pattern: str) -> bool:
    file = destination.file
    return destination.any_file or (file is not None and (file == "git" or fnmatchcase(file.lower(), pattern)))


def _classify(host: str, parts: list[str] | None, query: dict[str, list[str]]) -> Destination:
    if host in HUB:
        return _hub(parts or [], query)
    if host in VIEWER:
        return _viewer(parts or [], query)
    if host in MODELSCOPE:
        return _modelscope(parts or [], query)
    if host in GITHUB:
        return _github(host, parts or [], query)
    if host in JSDELIVR:
        return _jsdelivr(parts or [])
    if host in FILE_HOSTS and parts and len(parts) > 1:
        return Destination("other", f"{host}/{parts[0]}", None, "/".join(parts[1:]))
    path = "/" + "/".join(parts or [])
    if is_space(host):
        return Destination("hosted_model" if is_model_space(host, path) else "remote_compute")
    if is_tunnel(host):
        return Destination("hosted_model" if is_generative_protocol(host, path) else "remote_compute")
    for kind, hosts in KINDS:
        if hosts.match(host):
            return Destination(kind) if parts is None or API_FOLDERS.get(host) in (None, *parts[:1]) else OTHER
    return OTHER


def _by_path(host: str, parts: list[str], query: dict[str, list[str]]) -> Destination:
    """Classify an address of an unknown host by its path: a mirror of the Hub, or the server of a model."""
    if host not in HUB and "resolve" in parts[2:4]:
        return _hub(parts, query)
    return Destination("hosted_model") if is_generative_protocol(host, "/" + "/".join(parts)) else OTHER


def _hub(parts: list[str], query: dict[str, list[str]]) -> Destination:
    if not parts:
        return OTHER
    first = parts[0].lower()
    if first == "api":
        return _hub_api(parts[1:])
    if first == "chat" and len(parts) > 1:
        return Destination("hosted_model")
    kind: DestinationKind = "model"
    if first == "datasets":
        kind, parts = "dataset", parts[1:]
    elif first in _HUB_PAGES:
        return OTHER
    repo, rest = _repository(parts, _ACTIONS)
    if repo is None:
        return OTHER
    if rest and rest[0] in _GIT:
        return Destination(kind, repo, None, "git")
    if rest[:1] == ["embed"]:
        rest = rest[1:]
    if rest[:1] == ["viewer"]:
        shows_more = len(rest) < 3 or any(name.partition("[")[0] in ("views", "sql") for name in query)
        return Destination(kind, repo, None, "/".join(rest[1:]) or None, shows_more)
    if rest and rest[0] in ("tree", "resolve", "raw", "blob", "blame", "edit"):
        revision, file = _revision(rest[1:])
        return Destination(kind, repo, revision, file, rest[0] == "edit" and file is None)
    return Destination(kind, repo, any_file=bool(rest) and (rest[0] not in _HUB_LISTS or "files" in rest))


def _hub_api(parts: list[str]) -> Destination:
    parts = [*(part.lower() for part in parts[:1]), *parts[1:]]
    if parts[:1] == ["resolve-cache"] and len(parts) >= 5 and parts[1].lower() in ("models", "datasets"):
        kind: DestinationKind = "model" if parts[1].lower() == "models" else "dataset"
        length = 1 if _COMMIT.fullmatch(parts[3]) else 2  # the Hub's oldest repositories have only a name
        revision, file = _revision(parts[2 + length :])
        return Destination(kind, "/".join(parts[2 : 2 + length]), revision, file)
    if parts[:1] in (["jobs"], ["scheduled-jobs"]):
        return Destination("remote_compute")
    if parts[:1] in (["inference-proxy"], ["inference"]):
        return Destination("hosted_model")
    if parts[:1] not in (["models"], ["datasets"]):
        return OTHER
    kind = "model" if parts[0] == "models" else "dataset"
    repo, rest = _repository(parts[1:], _API_ACTIONS)
    if repo is None:
        return OTHER
    if not rest:
        return Destination(kind, repo)
    if rest[0] == "parquet":
        return Destination(kind, repo, None, "/".join(rest[1:]) or None)
    if rest[0] in ("revision", "tree", "paths-info", "resolve", "xet-read-token"):
        revision, file = _revision(rest[1:])
        # Listing files is not downloading them.
        return Destination(kind, repo, revision, file if rest[0] == "resolve" else None)
    return Destination(kind, repo, any_file=rest[0] not in _API_LISTS or (rest[0] == "discussions" and len(rest) > 1))


def _repository(parts: list[str], actions: frozenset[str]) -> tuple[str | None, list[str]]:
    """Split path segments into the repository and the rest.

    The repository is `OWNER/NAME`, or only a name for the Hub's oldest repositories.
    """
    if not parts:
        return None, []
    if len(parts) == 1 or parts[1].lower() in actions or parts[1] in _GIT:
        return parts[0].removesuffix(".git"), parts[1:]
    return f"{parts[0]}/{parts[1].removesuffix('.git')}", parts[2:]


def _revision(parts: list[str]) -> tuple[str | None, str | None]:
    """Split path segments into a revision and a file; `refs/pr/1` may be one segment or three."""
    if not parts:
        return None, None
    length = 3 if parts[0] == "refs" and len(parts) >= 3 else 1
    return "/".join(parts[:length]), "/".join(parts[length:]) or None


def _viewer(parts: list[str], query: dict[str, list[str]]) -> Destination:
    """Classify `?dataset=...` and files of rows: `/assets/REPO/--/[REVISION/--/]CONFIG/SPLIT/ROW/COLUMN/FILE`."""
    if parts[:1] in (["assets"], ["cached-assets"]) and "--" in parts:
        start = parts.index("--")
        after = parts[start + 1 :]
        revision = None
        if "--" in after:
            end = after.index("--")
            revision, after = "/".join(after[:end]) or None, after[end + 1 :]
        return Destination("dataset", "/".join(parts[1:start]), revision, "/".join(after[:2]) or None)
    repo = query.get("dataset", [""])[0]
    if not repo:
        return OTHER
    names = [query[key][0] for key in ("config", "split") if query.get(key)]
    any_file = len(names) < 2 and not (len(parts) == 1 and parts[0] in _VIEWER_LISTS)
    return Destination("dataset", repo, None, "/".join(names) or None, any_file)


def _modelscope(parts: list[str], query: dict[str, list[str]]) -> Destination:
    if parts[:2] == ["api", "v1"]:
        parts = parts[2:]
    if len(parts) < 3 or parts[0] not in ("models", "datasets"):
        return OTHER
    kind: DestinationKind = "model" if parts[0] == "models" else "dataset"
    repo, rest = f"{parts[1]}/{parts[2].removesuffix('.git')}", parts[3:]
    if rest and rest[0] in _GIT:
        return Destination(kind, repo, None, "git")
    if rest and rest[0] == "resolve":
        revision, file = _revision(rest[1:])
        return Destination(kind, repo, revision, file)
    file = query.get("FilePath", [None])[0]
    is_list = not rest or rest[0] in _MODELSCOPE_LISTS or rest[:2] in (["repo", "tree"], ["repo", "files"])
    return Destination(kind, repo, query.get("Revision", [None])[0], file, file is None and not is_list)


def _github(host: str, parts: list[str], query: dict[str, list[str]]) -> Destination:
    if host == "api.github.com":
        if parts[:1] != ["repos"]:
            return OTHER
        parts = parts[1:]
    folder = {"media.githubusercontent.com": ["media"], "patch-diff.githubusercontent.com": ["raw"]}.get(host)
    if folder is not None and parts[:1] == folder:
        parts = parts[1:]
    if len(parts) < 2:
        return OTHER
    repo, rest = f"github.com/{parts[0]}/{parts[1].removesuffix('.git')}", parts[2:]
    revision: str | None = None
    file: str | None = None
    if host in RAW_GITHUB:
        revision, file = _git_revision(rest)
    elif host == "api.github.com" and rest[:1] == ["contents"]:
        revision, file = query.get("ref", [None])[0], "/".join(rest[1:]) or None
    elif rest and (rest[0] in _GIT or (host == "api.github.com" and rest[:2] == ["git", "blobs"])):
        file = "git"  # a blob's name does not say which file it is
    elif rest and rest[0] in ("archive", "zip", "tar.gz", "legacy.zip", "legacy.tar.gz", "zipball", "tarball"):
        revision, file = "/".join(rest[1:]) or None, "git"  # all files at once
    elif rest and rest[0] in ("blob", "raw", "blame", "edit"):
        revision, file = _git_revision(rest[1:])
    any_file = file is None and bool(rest) and not _is_github_list(host, rest)
    return Destination("other", repo, revision, file, any_file)


def _is_github_list(host: str, rest: list[str]) -> bool:
    """Return whether a path below a repository lists or describes files without showing them.

    Commits, comparisons and pull requests show changes, which contain the files.
    """
    if rest[0] == "git":
        return host == "api.github.com" and len(rest) > 1 and rest[1] in _GITHUB_GIT_LISTS
    if host == "api.github.com" and rest[0] in ("commits", "pulls"):
        return len(rest) == 1
    if "download" in rest or "assets" in rest or host not in ("github.com", "www.github.com", "api.github.com"):
        return False
    return rest[0] in _GITHUB_LISTS


def _jsdelivr(parts: list[str]) -> Destination:
    """Classify `/gh/OWNER/NAME@REVISION/FILE`."""
    if parts[:1] != ["gh"] or len(parts) < 3:
        return OTHER
    name, _, revision = parts[2].partition("@")
    return Destination("other", f"github.com/{parts[1]}/{name}", revision or None, "/".join(parts[3:]) or None)


def _git_revision(parts: list[str]) -> tuple[str | None, str | None]:
    if parts[:2] in (["refs", "heads"], ["refs", "tags"]):
        return "/".join(parts[2:3]) or None, "/".join(parts[3:]) or None
    return (parts[0] if parts else None), "/".join(parts[1:]) or None
