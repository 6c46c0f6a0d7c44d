"""What an address on the internet is: a repository of the Hub, a hosted model, somebody else's computer, ...

Covers: the Hugging Face Hub with its mirrors and ModelScope, GitHub, hosted-model APIs, rented computers, package
indices, and published runs of this benchmark. It reads the address alone, never what is behind it.

Does not cover: copies under names of their own; the Hub's storage hosts, whose addresses name no repository (they can
be reached only by a link that the Hub has given out for one).
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from urllib.parse import parse_qs, unquote, urlsplit

from posttrainbench.records import DestinationKind


@dataclass(frozen=True)
class Destination:
    """What an address is.

    Attributes:
        repo: `OWNER/NAME` on the Hub or ModelScope, `github.com/OWNER/NAME` on GitHub, `HOST/FOLDER` of `STORES`; None
            where the address names none.
        revision: branch, tag or commit, where it names one.
        file: path in the repository; of a data set's viewer, `CONFIG/SPLIT`.
    """

    kind: DestinationKind
    repo: str | None = None
    revision: str | None = None
    file: str | None = None


OTHER = Destination("other")

HUB = ("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co", "hf-mirror.com", "www.hf-mirror.com")
VIEWER = ("datasets-server.huggingface.co",)
MODELSCOPE = ("modelscope.cn", "www.modelscope.cn", "modelscope.ai", "www.modelscope.ai")
GITHUB = ("github.com", "www.github.com", "raw.githubusercontent.com", "api.github.com", "codeload.github.com")

STORES = ("openaipublic.blob.core.windows.net",)
"""Hosts of files with folders for repositories: `HOST/FOLDER`."""

HOSTED_MODELS = tuple(
    """
    api.openai.com *.api.openai.com chatgpt.com *.chatgpt.com chat.openai.com sora.chatgpt.com
    api.anthropic.com claude.ai
    generativelanguage.googleapis.com aiplatform.googleapis.com *-aiplatform.googleapis.com
    cloudcode-pa.googleapis.com gemini.google.com aistudio.google.com alkalimakersuite-pa.clients6.google.com
    openrouter.ai api.mistral.ai codestral.mistral.ai chat.mistral.ai
    api.deepseek.com chat.deepseek.com api.together.xyz api.together.ai api.groq.com
    api.fireworks.ai audio-*.fireworks.ai dashscope.aliyuncs.com dashscope-*.aliyuncs.com *.maas.aliyuncs.com
    chat.qwen.ai api.z.ai chat.z.ai open.bigmodel.cn api.moonshot.cn api.moonshot.ai api.kimi.com
    api.x.ai *.api.x.ai grok.com api.cohere.com api.cohere.ai api.replicate.com api.ai21.com
    api.perplexity.ai api.cerebras.ai api.sambanova.ai api.deepinfra.com api.hyperbolic.xyz api.novita.ai
    api.siliconflow.cn api.siliconflow.com api.minimax.io api.minimaxi.com api.minimax.chat api.stepfun.com
    api.baichuan-ai.com api.lingyiwanwu.com ark.*.volces.com ark.*.bytepluses.com api.hunyuan.cloud.tencent.com
    qianfan.baidubce.com aip.baidubce.com api.featherless.ai api.friendli.ai inference.baseten.co api.arcee.ai
    api.studio.nebius.ai api.studio.nebius.com api.tokenfactory.nebius.com api.targon.com llm.chutes.ai
    api.inference.net api.lambda.ai api.aimlapi.com api.parasail.io api.voyageai.com api.jina.ai
    integrate.api.nvidia.com ai.api.nvidia.com
    *.openai.azure.com *.services.ai.azure.com *.cognitiveservices.azure.com *.inference.ai.azure.com
    models.inference.ai.azure.com models.github.ai api.githubcopilot.com *.githubcopilot.com
    bedrock.*.amazonaws.com bedrock-runtime.*.amazonaws.com bedrock-runtime-fips.*.amazonaws.com
    bedrock-mantle.*.api.aws runtime.sagemaker.*.amazonaws.com
    router.huggingface.co api-inference.huggingface.co *.endpoints.huggingface.cloud api-inference.modelscope.cn
    gateway.ai.cloudflare.com api.poe.com opencode.ai ai-gateway.vercel.sh
    """.split()
)
BELOW = {
    "api.anthropic.com": "v1",
    "claude.ai": "api",
    "openrouter.ai": "api",
    "opencode.ai": "zen",
    "chatgpt.com": "backend-api",
}
"""Hosts whose models are below one folder; what else they have, agents' own programs ask for too."""
REMOTE_COMPUTE = tuple(
    """
    colab.research.google.com colab.google colab.pa.googleapis.com *.colab.googleusercontent.com *.colab.dev
    modal.com *.modal.com *.modal.run *.modal.host runpod.io *.runpod.io *.runpod.net *.runpod.ai
    cloud.lambda.ai cloud.lambdalabs.com lambda.ai lambdalabs.com vast.ai *.vast.ai
    *.paperspace.com paperspace.com lightning.ai *.lightning.ai *.jarvislabs.ai jarvislabs.ai
    *.coreweave.com *.brev.dev brev.nvidia.com *.saturncloud.io *.tensordock.com *.fluidstack.io *.hyperstack.cloud
    *.primeintellect.ai primeintellect.ai tinker.thinkingmachines.dev *.thinkingmachines.dev *.salad.com
    ec2.*.amazonaws.com api.sagemaker.*.amazonaws.com ssm.*.amazonaws.com batch.*.amazonaws.com
    compute.googleapis.com notebooks.googleapis.com tpu.googleapis.com run.googleapis.com batch.googleapis.com
    management.azure.com *.api.azureml.ms api.digitalocean.com *.hf.space
    """.split()
)
VENDOR_SITES = tuple(
    """
    modal.com www.modal.com colab.research.google.com colab.google runpod.io www.runpod.io docs.runpod.io
    vast.ai www.vast.ai docs.vast.ai lambda.ai lambdalabs.com lightning.ai paperspace.com www.paperspace.com
    docs.paperspace.com primeintellect.ai www.primeintellect.ai docs.primeintellect.ai jarvislabs.ai docs.jarvislabs.ai
    """.split()
)
"""Of `REMOTE_COMPUTE`, those with pages for people: guides, prices, public notebooks."""
PACKAGES = tuple(
    """
    pypi.org *.pypi.org files.pythonhosted.org pypi.python.org registry.npmjs.org registry.yarnpkg.com
    conda.anaconda.org repo.anaconda.com *.prefix.dev download.pytorch.org *.download.pytorch.org pypi.nvidia.com
    developer.download.nvidia.com wheels.vllm.ai flashinfer.ai astral.sh *.astral.sh
    deb.debian.org *.debian.org archive.ubuntu.com security.ubuntu.com *.archive.ubuntu.com
    crates.io *.crates.io proxy.golang.org sum.golang.org deb.nodesource.com registry-1.docker.io auth.docker.io
    """.split()
)
TRACE_SITES = ("posttrainbench.com", "*.posttrainbench.com", "posttrainbench.github.io")

REMOTE_SHELL_PORTS = frozenset({22, 2222, 23, 3389, 5900})
GIT_SHELLS = frozenset("github.com gitlab.com bitbucket.org codeberg.org git.sr.ht huggingface.co hf.co".split())
"""Hosts on whose port 22 git is all there is."""

_INTERFACE = re.compile(r"(api|v\d.*|graphql|t?rpc|tun|ws)", re.IGNORECASE)
"""Folders of a site with which programs talk."""

_TRACES = re.compile(r"post[-_.]?train(?:ing)?[-_.]?bench", re.IGNORECASE)

_NO_OWNERS = frozenset(
    "api docs blog papers models datasets spaces chat tasks learn posts search login join logout settings new pricing "
    "organizations collections enterprise notifications front inference-endpoints inference terms-of-service privacy "
    "favicon.ico robots.txt changelog join-the-discussion buckets oauth".split()
)
"""First parts of the Hub's own pages."""

_ACTIONS = frozenset("resolve raw blob tree blame commit commits discussions viewer edit upload lfs-files".split())
_API_ACTIONS = frozenset(
    "revision tree paths-info resolve commits refs xet-read-token xet-write-token treesize compare lfs-files "
    "parquet croissant scan discussions jwt sql-console preupload commit".split()
)
_GIT = ("info", "git-upload-pack", "git-receive-pack", "HEAD", "objects")


def classify(host: str, path: str | None = None, port: int = 443) -> Destination:
    """What an address is.

    Args:
        host: name or address, without the port.
        path: with its query, as requested; None where it cannot be seen.
        port: tells a remote shell.
    """
    host = host.lower().rstrip(".")
    place = urlsplit("//host" + path) if path and path.startswith("/") else None
    # A slash may come as `%2F`, so that `OWNER%2FNAME` means the same.
    parts = [part for part in unquote(place.path).split("/") if part not in ("", ".")] if place else None
    query = parse_qs(place.query) if place else {}
    found = _classify(host, parts, query)
    if found.kind in ("model", "dataset", "other") and found.repo and _TRACES.search(found.repo):
        return Destination("traces", found.repo, found.revision, found.file)
    if found.kind == "other" and port in REMOTE_SHELL_PORTS and not (port == 22 and host in GIT_SHELLS):
        return Destination("remote_compute", found.repo)
    return found


def shows_more(host: str) -> bool:
    """Whether what an address of this host is, or what asking for it does, depends on its path."""
    host = host.lower().rstrip(".")
    return any(host in hosts for hosts in (HUB, VIEWER, MODELSCOPE, GITHUB, STORES, VENDOR_SITES))


def is_page(host: str, path: str | None) -> bool:
    """Whether a `GET` of this address of a vendor of computers shows a page, and starts nothing.

    Args:
        path: as requested; None where it cannot be seen, which may be anything.
    """
    if host.lower().rstrip(".") not in VENDOR_SITES or not path:
        return False
    parts = [part for part in unquote(path.partition("?")[0]).split("/") if part not in ("", ".")]
    return ".." not in parts and not (parts and _INTERFACE.fullmatch(parts[0]))


def is_among(destination: Destination, patterns: Iterable[str]) -> bool:
    """Whether it is one of some repositories, or of certain files in them.

    Args:
        patterns: shell-style, `OWNER/NAME` or `OWNER/NAME:FILE`, whatever the case of their letters. With a file,
            addresses of the repository that name no file match only where git transfers all of them.
    """
    if destination.repo is None:
        return False
    repo = destination.repo.lower()
    for pattern in patterns:
        name, _, file = pattern.lower().partition(":")
        if fnmatchcase(repo, name) and (not file or _holds(destination, file)):
            return True
    return False


def is_version_of(destination: Destination, name: str, unless: str) -> bool:
    """Whether it is a model, or somebody's copy, quantisation or conversion of it, by its name.

    Args:
        name: the model's, such as `Qwen/Qwen3-1.7B`; `unsloth/Qwen3-1.7B-GGUF` is a version of it.
        unless: another model whose versions are none of it, such as `Qwen/Qwen3-1.7B-Base`.
    """
    if destination.kind != "model" or destination.repo is None:
        return False
    found = destination.repo.rpartition("/")[2].lower()
    wanted, other = (each.rpartition("/")[2].lower() for each in (name, unless))
    return _extends(found, wanted) and not (len(other) > len(wanted) and _extends(found, other))


def _extends(name: str, start: str) -> bool:
    return name == start or (name.startswith(start) and name[len(start)] in "-_.")


def _holds(destination: Destination, pattern: str) -> bool:
    file = destination.file
    return file is not None and (file == "git" or fnmatchcase(file.lower(), pattern))


def _classify(host: str, parts: list[str] | None, query: dict[str, list[str]]) -> Destination:
    if host in HUB:
        return _hub(parts or [])
    if host in VIEWER:
        return _viewer(query)
    if host in MODELSCOPE:
        return _modelscope(parts or [], query)
    if host in GITHUB:
        return _github(host, parts or [], query)
    if host in STORES and parts and len(parts) > 1:
        return Destination("other", f"{host}/{parts[0]}", None, "/".join(parts[1:]))
    kinds: tuple[tuple[DestinationKind, tuple[str, ...]], ...] = (
        ("traces", TRACE_SITES),
        ("hosted_model", HOSTED_MODELS),
        ("remote_compute", REMOTE_COMPUTE),
        ("package", PACKAGES),
    )
    for kind, hosts in kinds:
        if any(fnmatchcase(host, pattern) for pattern in hosts):
            return Destination(kind) if parts is None or BELOW.get(host) in (None, *parts[:1]) else OTHER
    return OTHER


def _hub(parts: list[str]) -> Destination:
    if not parts:
        return OTHER
    if parts[0] == "api":
        return _hub_api(parts[1:])
    kind: DestinationKind = "model"
    if parts[0] == "datasets":
        kind, parts = "dataset", parts[1:]
    elif parts[0] in _NO_OWNERS:
        return OTHER
    repo, rest = _repository(parts, _ACTIONS)
    if repo is None:
        return OTHER
    if rest and rest[0] in _GIT:
        return Destination(kind, repo, None, "git")
    if not rest or rest[0] not in _ACTIONS:
        return Destination(kind, repo)
    if rest[0] == "viewer":
        return Destination(kind, repo, None, "/".join(rest[1:]) or None)
    revision, file = _revision(rest[1:])
    return Destination(kind, repo, revision, file)


def _hub_api(parts: list[str]) -> Destination:
    if parts[:1] == ["resolve-cache"] and len(parts) >= 5 and parts[1] in ("models", "datasets"):
        kind: DestinationKind = "model" if parts[1] == "models" else "dataset"
        revision, file = _revision(parts[4:])
        return Destination(kind, f"{parts[2]}/{parts[3]}", revision, file)
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
        # A list of files is not the files.
        return Destination(kind, repo, revision, file if rest[0] == "resolve" else None)
    return Destination(kind, repo)


def _repository(parts: list[str], actions: frozenset[str]) -> tuple[str | None, list[str]]:
    """`OWNER/NAME`, or just the name of one of the Hub's oldest repositories, and what follows."""
    if not parts:
        return None, []
    if len(parts) == 1 or parts[1] in actions or parts[1] in _GIT:
        return parts[0].removesuffix(".git"), parts[1:]
    return f"{parts[0]}/{parts[1].removesuffix('.git')}", parts[2:]


def _revision(parts: list[str]) -> tuple[str | None, str | None]:
    """A revision and the file behind it; `refs/pr/1` may come as one part or as three."""
    if not parts:
        return None, None
    whole = 3 if parts[0] == "refs" and len(parts) >= 3 else 1
    return "/".join(parts[:whole]), "/".join(parts[whole:]) or None


def _viewer(query: dict[str, list[str]]) -> Destination:
    repo = query.get("dataset", [""])[0]
    if not repo:
        return OTHER
    named = [query[key][0] for key in ("config", "split") if query.get(key)]
    return Destination("dataset", repo, None, "/".join(named) or None)


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
    return Destination(kind, repo, query.get("Revision", [None])[0], query.get("FilePath", [None])[0])


def _github(host: str, parts: list[str], query: dict[str, list[str]]) -> Destination:
    if host == "api.github.com":
        if parts[:1] != ["repos"]:
            return OTHER
        parts = parts[1:]
    if len(parts) < 2:
        return OTHER
    repo, rest = f"github.com/{parts[0]}/{parts[1].removesuffix('.git')}", parts[2:]
    revision: str | None = None
    file: str | None = None
    if host == "raw.githubusercontent.com":
        revision, file = _git_revision(rest)
    elif host == "api.github.com" and rest[:1] == ["contents"]:
        revision, file = query.get("ref", [None])[0], "/".join(rest[1:]) or None
    elif rest and rest[0] in _GIT:
        file = "git"
    elif rest and rest[0] in ("archive", "zip", "tar.gz", "legacy.zip", "legacy.tar.gz", "zipball", "tarball"):
        revision, file = "/".join(rest[1:]) or None, "git"  # all files at once
    elif rest and rest[0] in ("blob", "raw", "blame"):
        revision, file = _git_revision(rest[1:])
    return Destination("other", repo, revision, file)


def _git_revision(parts: list[str]) -> tuple[str | None, str | None]:
    if parts[:2] in (["refs", "heads"], ["refs", "tags"]):
        return "/".join(parts[2:3]) or None, "/".join(parts[3:]) or None
    return (parts[0] if parts else None), "/".join(parts[1:]) or None
