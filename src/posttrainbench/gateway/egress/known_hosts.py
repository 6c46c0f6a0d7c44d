"""Hosts that are classified, by what they serve."""

import re
from collections.abc import Iterable
from fnmatch import translate

from posttrainbench.records import DestinationKind

HUB = (
    *("huggingface.co", "www.huggingface.co", "hf.co", "www.hf.co", "hf-mirror.com", "www.hf-mirror.com"),
    *("alpha.hf-mirror.com", "hf-api.gitee.com", "aifasthub.com", "www.aifasthub.com"),
)
"""The Hugging Face Hub and its mirrors."""
VIEWER = ("datasets-server.huggingface.co",)
MODELSCOPE = ("modelscope.cn", "www.modelscope.cn", "modelscope.ai", "www.modelscope.ai")
GITHUB = (
    *("github.com", "www.github.com", "raw.githubusercontent.com", "media.githubusercontent.com"),
    *("api.github.com", "codeload.github.com", "patch-diff.githubusercontent.com"),
    *("raw.github.com", "raw.githack.com", "rawcdn.githack.com"),
)
RAW_GITHUB = (
    *("raw.githubusercontent.com", "media.githubusercontent.com"),
    *("raw.github.com", "raw.githack.com", "rawcdn.githack.com"),
)
"""The hosts of `GITHUB` whose paths are `OWNER/NAME/REVISION/FILE`."""
GIT_OVER_SSH = frozenset({"ssh.github.com"})
"""Hosts that serve git over SSH on the port of HTTPS, so that repositories cannot be told apart."""
JSDELIVR = tuple(f"{name}.jsdelivr.net" for name in "cdn fastly gcore testingcf quantil originfastly".split())
"""Mirrors of GitHub's files, among other things."""

FILE_HOSTS = ("openaipublic.blob.core.windows.net",)
"""Hosts of plain files, whose top-level folders count as repositories: `HOST/FOLDER`."""

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
    router.huggingface.co api-inference.huggingface.co *.endpoints.huggingface.cloud
    api-inference.modelscope.cn api-inference.modelscope.ai
    gateway.ai.cloudflare.com api.cloudflare.com *.workers.ai api.poe.com opencode.ai ai-gateway.vercel.sh
    text.pollinations.ai gen.pollinations.ai api.pollinations.ai enter.pollinations.ai
    duckduckgo.com duck.ai *.duck.ai api.llm7.io api.puter.com g4f.dev *.g4f.dev api.airforce ollama.com
    lmarena.ai api.kluster.ai api.venice.ai nano-gpt.com api.synthetic.new glhf.chat api.electronhub.ai
    api.requesty.ai router.requesty.ai api.portkey.ai api.unify.ai api.302.ai aihubmix.com api.chatanywhere.tech
    api.scaleway.ai *.inference.cloud.ovh.net *.endpoints.kepler.ai.cloud.ovh.net api.inference.nscale.com
    api.ppinfra.com api.gmi-serving.com api.upstage.ai api.writer.com api.reka.ai api.inceptionlabs.ai
    api.blackbox.ai spark-api-open.xf-yun.com openai.inference.*.ionos.com
    """.split()
)
API_FOLDERS = {
    "api.anthropic.com": "v1",
    "claude.ai": "api",
    "openrouter.ai": "api",
    "opencode.ai": "zen",
    "chatgpt.com": "backend-api",
    "duckduckgo.com": "duckchat",
    "ollama.com": "api",
    "api.cloudflare.com": "client",
}
"""Host -> top-level folder of its model API. Agent CLIs request other paths of these hosts for other purposes."""
MIXED_SITES = ("duckduckgo.com",)
"""Hosts of `API_FOLDERS` that most programs request for other purposes."""
ASKED_BY_GET = ("text.pollinations.ai", "gen.pollinations.ai")
"""Hosts that also answer prompts in the path of a `GET`."""
TUNNELS = tuple(
    """
    *.ngrok-free.app *.ngrok-free.dev *.ngrok.app *.ngrok.dev *.ngrok.io *.ngrok.pizza *.trycloudflare.com
    *.loca.lt *.localtunnel.me *.serveo.net *.serveousercontent.com *.lhr.life *.lhr.rocks *.localhost.run *.bore.pub
    bore.pub *.pinggy.link *.pinggy.io *.pinggy.online *.tunnelmole.net *.zrok.io *.gradio.live *.devtunnels.ms
    *.ts.net *.playit.gg *.telebit.io *.pagekite.me *.localxpose.io *.loclx.io *.srv.us *.app.github.dev *.gitpod.io
    """.split()
)
"""Hosts behind which anybody's own computer answers."""
SPACES = ("*.hf.space",)
"""Programs on the Hub's computers."""
PAPERS = (
    *("arxiv.org", "www.arxiv.org", "export.arxiv.org", "ar5iv.org", "ar5iv.labs.arxiv.org"),
    *("alphaxiv.org", "www.alphaxiv.org"),
)
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
    management.azure.com *.api.azureml.ms api.digitalocean.com
    """.split()
)
VENDOR_SITES = tuple(
    """
    modal.com www.modal.com colab.research.google.com colab.google runpod.io www.runpod.io docs.runpod.io
    vast.ai www.vast.ai docs.vast.ai lambda.ai lambdalabs.com lightning.ai paperspace.com www.paperspace.com
    docs.paperspace.com primeintellect.ai www.primeintellect.ai docs.primeintellect.ai jarvislabs.ai docs.jarvislabs.ai
    """.split()
)
"""The hosts of `REMOTE_COMPUTE` that also serve web pages: guides, prices, public notebooks."""
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
PUBLISHED_HOSTS = re.compile(r"(?:^|[.-])post-?train(?:ing)?-?bench[.-]")
"""Hosts of copies of these sites."""
PUBLISHED_PATHS = re.compile(
    r"aisa-group/post[-_.]?train(?:ing)?[-_.]?bench|\bposttrainbench\.(?:com|github\.io)|\b2603\.08640", re.IGNORECASE
)
"""Paths of published runs and of the benchmark's paper on other sites: mirrors, archives, readers of papers."""

REMOTE_SHELL_PORTS = frozenset({22, 2222, 23, 3389, 5900})
GIT_SSH_HOSTS = frozenset("github.com gitlab.com bitbucket.org codeberg.org git.sr.ht huggingface.co hf.co".split())
"""Hosts whose SSH port serves git only."""


def _any_of(patterns: Iterable[str]) -> re.Pattern[str]:
    """Return a regular expression for the hosts that match one of several shell-style patterns."""
    return re.compile("|".join(map(translate, patterns)))


KINDS: tuple[tuple[DestinationKind, re.Pattern[str]], ...] = (
    ("traces", _any_of(TRACE_SITES)),
    ("hosted_model", _any_of(HOSTED_MODELS)),
    ("remote_compute", _any_of(REMOTE_COMPUTE)),
    ("package", _any_of(PACKAGES)),
)
"""Kind of a destination -> its hosts."""
_TUNNELS, _SPACES = _any_of(TUNNELS), _any_of(SPACES)


def is_tunnel(host: str) -> bool:
    """Return whether anybody's own computer may answer behind a host."""
    return _TUNNELS.match(host) is not None


def is_space(host: str) -> bool:
    """Return whether a host is a program on the Hub's computers."""
    return _SPACES.match(host) is not None
