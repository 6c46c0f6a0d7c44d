"""What addresses are."""

import pytest

from posttrainbench.gateway.egress.destinations import (
    Destination,
    classify,
    depends_on_path,
    is_model_variant,
    is_web_page,
    matches_repository,
    repeated_parameter,
    unidentified,
)

ADDRESSES = """
    huggingface.co /api/models/Qwen/Qwen3-1.7B model Qwen/Qwen3-1.7B - -
    huggingface.co /api/models/gpt2/revision/main model gpt2 main -
    HuggingFace.co. /api/models/Qwen/Qwen3-1.7B/tree/main?recursive=True model Qwen/Qwen3-1.7B main -
    hf.co /Qwen/Qwen3-1.7B/resolve/main/model.safetensors model Qwen/Qwen3-1.7B main model.safetensors
    huggingface.co /gpt2/resolve/main/config.json model gpt2 main config.json
    huggingface.co /a/b/resolve/refs%2Fpr%2F1/x/y.json model a/b refs/pr/1 x/y.json
    huggingface.co /a/b/resolve/refs/pr/1/x.json model a/b refs/pr/1 x.json
    huggingface.co /datasets/a/b/resolve/c0ffee/main/test-0.parquet dataset a/b c0ffee main/test-0.parquet
    huggingface.co /datasets/gsm8k/raw/main/README.md dataset gsm8k main README.md
    hf-mirror.com /datasets/a/b/blob/main/t.jsonl dataset a/b main t.jsonl
    huggingface.co /api/datasets/a/b/parquet/main/test/0.parquet dataset a/b - main/test/0.parquet
    huggingface.co /api/datasets/a/b/xet-read-token/main dataset a/b main -
    huggingface.co /api/resolve-cache/models/a/b/c0ffee/f.json?x=1 model a/b c0ffee f.json
    huggingface.co /API/Datasets/a/b/resolve/main/t dataset a/b main t
    huggingface.co /Datasets/gsm8k/Resolve/main/t dataset gsm8k - -
    huggingface.co /datasets/a/b.git/info/lfs/objects/batch dataset a/b - git
    huggingface.co /a/b/git-upload-pack model a/b - git
    datasets-server.huggingface.co /rows?dataset=a%2Fb&config=main&split=test dataset a/b - main/test
    datasets-server.huggingface.co /assets/a/b/--/c0ffee/--/main/test/0/image/i.jpg dataset a/b c0ffee main/test
    datasets-server.huggingface.co /cached-assets/a/b/--/c0ffee/--/main/train/0/i/i.jpg dataset a/b c0ffee main/train
    datasets-server.huggingface.co /cached-assets/a/--/main/test/0/image/i.jpg?dataset=x dataset a - main/test
    datasets-server.huggingface.co /assets/favicon.png other - - -
    www.modelscope.cn /api/v1/models/Qwen/Qwen3-4B/repo?Revision=m&FilePath=c.json model Qwen/Qwen3-4B m c.json
    modelscope.cn /datasets/a/b/resolve/master/t.csv dataset a/b master t.csv
    raw.githubusercontent.com /openai/human-eval/master/data/H.gz other github.com/openai/human-eval master data/H.gz
    github.com /openai/human-eval.git/info/refs?service=git-upload-pack other github.com/openai/human-eval - git
    codeload.github.com /o/r/zip/refs/heads/main other github.com/o/r refs/heads/main git
    api.github.com /repos/o/r/contents/d/f?ref=x other github.com/o/r x d/f
    api.github.com /repos/o/r/git/blobs/c0ffee other github.com/o/r - git
    api.github.com /repos/o/r/issues other github.com/o/r - -
    media.githubusercontent.com /media/o/r/main/d/f other github.com/o/r main d/f
    cdn.jsdelivr.net /gh/o/r@main/d/f other github.com/o/r main d/f
    cdn.jsdelivr.net /gh/o/r/d/f other github.com/o/r - d/f
    cdn.jsdelivr.net /npm/vue@3/dist/vue.js other - - -
    huggingface.co /datasets/a/b/embed/viewer/main/test dataset a/b - main/test
    huggingface.co /datasets/a/embed/viewer/main/test dataset a - main/test
    github.com /aisa-group/PostTrainBench traces github.com/aisa-group/PostTrainBench - -
    huggingface.co /datasets/RTT1/posttrainbench-gsm8k-recipes traces RTT1/posttrainbench-gsm8k-recipes - -
    huggingface.co /api/datasets/x/post-train-bench_traces traces x/post-train-bench_traces - -
    posttrainbench.com / traces - - -
    huggingface.co /datasets/foo/bar/../../a/b/resolve/main/t.csv dataset a/b main t.csv
    huggingface.co /x/%2e%2e/datasets/a%2Fb/resolve/main/t.csv dataset a/b main t.csv
    huggingface.co /datasets/a/b/resolve/main/train/%2E./test.csv dataset a/b main test.csv
    huggingface.co /../../datasets//a/./b/resolve/main/t.csv dataset a/b main t.csv
    huggingface.co /datasets/a/b/resolve/main/..t/x..y dataset a/b main ..t/x..y
    raw.githubusercontent.com /o/x/../r/main/d/t.jsonl other github.com/o/r main d/t.jsonl
    huggingf\u00aace.co /datasets/a/b/resolve/main/t.csv dataset a/b main t.csv
    huggingface\u3002co /datasets/a/b/resolve/main/t.csv dataset a/b main t.csv
    huggingf\u00e4ce.co /datasets/a/b/resolve/main/t.csv dataset a/b main t.csv
    huggingface.co /api/jobs/me remote_compute - - -
    router.huggingface.co /v1/chat/completions hosted_model - - -
    huggingface.co /datasets/a%2Fb/./resolve/main/t dataset a/b main t
    api.openai.com - hosted_model - - -
    api.anthropic.com - hosted_model - - -
    api.anthropic.com /v1/messages?beta=true hosted_model - - -
    api.anthropic.com /api/hello other - - -
    docs.anthropic.com / other - - -
    opencode.ai /config.json other - - -
    openrouter.ai /api/v1/chat/completions hosted_model - - -
    mine.openai.azure.com /x hosted_model - - -
    bedrock-runtime.us-east-1.amazonaws.com - hosted_model - - -
    us-central1-aiplatform.googleapis.com - hosted_model - - -
    console.vast.ai - remote_compute - - -
    pypi.org /simple/posttrainbench/ package - - -
    huggingface.co /api/models?search=qwen other - - -
    huggingface.co /docs/trl other - - -
    huggingface.co - other - - -
    cdn-lfs-us-1.hf.co /repos/aa/bb/c other - - -
    evil-api.openai.com.example.org / other - - -
    notposttrainbench.com.example //[bad other - - -
    hub.example.org /a/b/resolve/main/model.safetensors model a/b main model.safetensors
    hub.example.org /datasets/aisa-group/PostTrainBench-x/resolve/main/t traces aisa-group/PostTrainBench-x main t
    example.org /a/b/raw/main/README.md other - - -
    arxiv.org /abs/2603.08640v2 traces - - -
    arxiv.org /abs/2603.08641 other - - -
    huggingface.co /papers/2603.08640 traces - - -
    web.archive.org /web/2026/https://github.com/aisa-group/PostTrainBench traces - - -
    wandb.ai /me/posttrainbench-run other - - -
    quiet-fox.ngrok-free.app /v1/chat/completions hosted_model - - -
    quiet-fox.ngrok-free.app /upload remote_compute - - -
    qwen-qwen2-5-72b-instruct.hf.space /gradio_api/queue/join hosted_model - - -
    someone-converter.hf.space /gradio_api/call/chat hosted_model - - -
    someone-converter.hf.space /gradio_api/queue/join remote_compute - - -
    llm.example.org /v1/chat/completions hosted_model - - -
    llm.example.org /v1beta/models/x:generateContent hosted_model - - -
    llm.example.org /v1/models other - - -
    10.0.0.7 /v1/chat/completions other - - -
    vllm /v1/chat/completions other - - -
    duckduckgo.com /duckchat/v1/chat hosted_model - - -
    duckduckgo.com /html/?q=grpo other - - -
    text.pollinations.ai /hello hosted_model - - -
    models.github.ai /inference/chat/completions hosted_model - - -
    huggingface.co /chat/conversation/1 hosted_model - - -
    modelscope.cn /datasets/a/b/resolve/master/t.jsonl dataset a/b master t.jsonl
"""
"""Host, path, and what they are: kind, repository, revision, file; `-` for none."""


@pytest.mark.parametrize("line", ADDRESSES.strip().splitlines())
def test_an_address_is_told(line: str) -> None:
    host, path, *expected = (None if word == "-" else word for word in line.split())
    found = classify(str(host), path)
    assert [found.kind, found.repo, found.revision, found.file] == expected


def test_a_store_of_files_has_folders_for_repositories() -> None:
    found = classify("openaipublic.blob.core.windows.net", "/simple-evals/healthbench/x.jsonl")
    assert (found.repo, found.file) == ("openaipublic.blob.core.windows.net/simple-evals", "healthbench/x.jsonl")


def test_a_remote_shell_is_told_by_its_port() -> None:
    assert classify("box.example.org", None, 22).kind == "remote_compute"
    assert classify("box.example.org", None, 443).kind == "other"
    assert classify("github.com", None, 22).kind == "other"
    assert classify("github.com", None, 2222).kind == "remote_compute"
    assert classify("ssh.vast.ai", None, 22).kind == "remote_compute"


def test_pages_are_told_from_interfaces() -> None:
    assert is_web_page("Modal.com.", "/docs/guide/gpu")
    assert is_web_page("colab.research.google.com", "/drive/1?usp=sharing")
    assert is_web_page("docs.runpod.io", "/api-reference/pods")
    assert not is_web_page("modal.com", None)
    assert not is_web_page("modal.com", "/api/apps")
    assert not is_web_page("modal.com", "/docs/../api/apps")
    assert not is_web_page("api.modal.com", "/docs")


def test_only_where_the_path_matters_it_must_be_seen() -> None:
    assert depends_on_path("huggingface.co")
    assert depends_on_path("raw.githubusercontent.com")
    assert depends_on_path("modal.com")
    assert not depends_on_path("api.modal.com")
    assert not depends_on_path("cdn-lfs-us-1.hf.co")
    assert not depends_on_path("files.pythonhosted.org")


MODEL_API_FOLDERS = [
    ("api.anthropic.com", "v1"),
    ("claude.ai", "api"),
    ("openrouter.ai", "api"),
    ("opencode.ai", "zen"),
    ("chatgpt.com", "backend-api"),
]


@pytest.mark.parametrize(("host", "folder"), MODEL_API_FOLDERS)
def test_only_one_folder_of_these_hosts_is_a_model_api(host: str, folder: str) -> None:
    """Agent CLIs request other paths of the same hosts, such as their changelogs."""
    assert classify(host, f"/{folder}/messages").kind == "hosted_model"
    assert classify(host, None).kind == "hosted_model"  # the path of a tunnel is unknown
    for path in ("/", "/install.sh", f"/docs/{folder}", f"/{folder}x/messages"):
        assert classify(host, path).kind == "other", path


def test_the_test_split_is_told_from_the_rest_of_its_repository() -> None:
    patterns = ["openai/gsm8k:*test*"]
    assert matches_repository(
        classify("huggingface.co", "/datasets/OpenAI/gsm8k/resolve/main/main/test-0.parquet"), patterns
    )
    assert matches_repository(
        classify("datasets-server.huggingface.co", "/rows?dataset=openai/gsm8k&split=test"), patterns
    )
    assert matches_repository(classify("huggingface.co", "/datasets/openai/gsm8k.git/git-upload-pack"), patterns)
    assert not matches_repository(
        classify("huggingface.co", "/datasets/openai/gsm8k/resolve/main/main/train-0.parquet"), patterns
    )
    assert not matches_repository(classify("huggingface.co", "/api/datasets/openai/gsm8k"), patterns)
    assert not matches_repository(
        classify("huggingface.co", "/datasets/meta-math/MetaMathQA/resolve/main/test.json"), patterns
    )


HUB = "huggingface.co /datasets/openai/gsm8k"
API = "huggingface.co /api/datasets/openai/gsm8k"
VIEWER = "datasets-server.huggingface.co"
REPO = "openai/grade-school-math"
WITHHELD = f"""
    {HUB}/commit/c0ffee
    {HUB}/discussions/3/files
    {HUB}/viewer
    {HUB}/viewer/main
    {HUB}/viewer/main/train?views%5B%5D=main_test
    {HUB}/viewer/main/train?sql=select
    {HUB}/embed/viewer
    {HUB}/an-interface-of-tomorrow/x
    {HUB}/edit/main
    huggingface.co /api/resolve-cache/DATASETS/openai/gsm8k/c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0de/main/test.parquet
    huggingface.co /api/resolve-cache/datasets/gsm8k/c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0de/main/test.parquet
    huggingface.co /Datasets/openai/gsm8k/Resolve/main/main/test-0.parquet
    huggingface.co /DATASETS/openai/gsm8k/resolve/main/main/test-0.parquet
    {API}/compare/a..b
    {API}/sql-console/x
    {API}/discussions/1?diff=1
    {API}/an-interface-of-tomorrow
    {VIEWER} /rows?dataset=openai/gsm8k&config=main
    {VIEWER} /first-rows?dataset=openai/gsm8k
    {VIEWER} /an-interface-of-tomorrow?dataset=openai/gsm8k
    www.modelscope.cn /api/v1/datasets/AI-ModelScope/gsm8k/ststoken
    www.modelscope.cn /api/v1/datasets/AI-ModelScope/gsm8k/repo?Revision=master
    github.com /{REPO}/commit/c0ffee
    github.com /{REPO}/commit/c0ffee.patch
    github.com /{REPO}/compare/a...b.diff
    github.com /{REPO}/pull/1/files
    github.com /{REPO}/releases/download/v1/data.zip
    github.com /{REPO}/edit/master/grade_school_math/data/test.jsonl
    api.github.com /repos/{REPO}/commits/c0ffee
    api.github.com /repos/{REPO}/pulls/1
    api.github.com /repos/{REPO}/compare/a...b
    api.github.com /repos/{REPO}/releases/assets/1
    api.github.com /repos/{REPO}/git/blobs/c0ffee
    patch-diff.githubusercontent.com /raw/{REPO}/pull/1.diff
    raw.github.com /{REPO}/master/grade_school_math/data/test.jsonl
    rawcdn.githack.com /{REPO}/c0ffee/grade_school_math/data/test.jsonl
    quantil.jsdelivr.net /gh/{REPO}@master/grade_school_math/data/test.jsonl
"""
FREE = f"""
    {HUB}
    {HUB}/tree/main/main
    {HUB}/commits/main
    {HUB}/discussions
    {HUB}/discussions/3
    {HUB}/viewer/main/train?p=1
    {HUB}/blob/main/README.md
    {HUB}/resolve/main/main/train-00000-of-00001.parquet
    {API}
    {API}/revision/main
    {API}/tree/main/main?recursive=true
    {API}/paths-info/main
    {API}/refs
    {API}/parquet
    {API}/parquet/main/train/0.parquet
    {API}/croissant
    {API}/xet-read-token/main
    {API}/discussions
    {VIEWER} /splits?dataset=openai/gsm8k
    {VIEWER} /info?dataset=openai/gsm8k&config=main
    {VIEWER} /parquet?dataset=openai/gsm8k
    {VIEWER} /rows?dataset=openai/gsm8k&config=main&split=train
    www.modelscope.cn /api/v1/datasets/AI-ModelScope/gsm8k
    www.modelscope.cn /api/v1/datasets/AI-ModelScope/gsm8k/repo/tree?Revision=master
    www.modelscope.cn /api/v1/datasets/AI-ModelScope/gsm8k/repo?Revision=master&FilePath=train.jsonl
    github.com /{REPO}
    github.com /{REPO}/tree/master/grade_school_math
    github.com /{REPO}/issues/3
    github.com /{REPO}/releases
    api.github.com /repos/{REPO}
    api.github.com /repos/{REPO}/commits
    api.github.com /repos/{REPO}/readme
    api.github.com /repos/{REPO}/contents/grade_school_math
    api.github.com /repos/{REPO}/git/trees/master?recursive=1
    raw.githubusercontent.com /{REPO}/master/grade_school_math/data/train.jsonl
    github.com /someone/else/commit/c0ffee
    huggingface.co /datasets/someone/else/an-interface-of-tomorrow
"""
SPLIT = ["openai/gsm8k:*test*", "gsm8k:*test*", "*/gsm8k*:*test*", "github.com/openai/grade-school-math:*test*"]


@pytest.mark.parametrize("line", WITHHELD.strip().splitlines())
def test_any_file_may_be_behind_a_path_that_is_not_known(line: str) -> None:
    host, path = line.split()
    assert matches_repository(classify(host, path), SPLIT)


@pytest.mark.parametrize("line", FREE.strip().splitlines())
def test_lists_and_other_files_of_a_withheld_repository_are_free(line: str) -> None:
    host, path = line.split()
    assert not matches_repository(classify(host, path), SPLIT)


@pytest.mark.parametrize(
    ("host", "path", "is_identified"),
    [
        ("api.github.com", "/repositories/418000000/contents/grade_school_math/data/test.jsonl", False),
        ("api.github.com", "/x/../repositories/418000000/tarball", False),
        ("api.github.com", "/graphql", False),
        ("api.github.com", "/repos/repositories/1/contents/x", True),
        ("cdn.jsdelivr.net", "/combine/gh/openai/grade-school-math@master/a.js,npm/vue@3/b.js", False),
        ("fastly.jsdelivr.net", "/combine/npm/vue@3/b.js,gh/o/r/d/test.jsonl", False),
        ("cdn.jsdelivr.net", "/combine/npm/vue@3/dist/vue.js,npm/x@1/y.js", True),
        ("cdn.jsdelivr.net", "/gh/combine/gh/x.js", True),
        ("modelscope.cn", "/api/v1/datasets/1234/repo?FilePath=test.jsonl", False),
        ("modelscope.cn", "/api/v1/datasets/1234/5678/repo?FilePath=test.jsonl", True),
        ("modelscope.cn", "/datasets/a/repo", True),
        ("example.org", "/repositories/1/combine/gh/", True),
    ],
)
def test_addresses_that_hide_their_repository(host: str, path: str, is_identified: bool) -> None:
    assert (unidentified(host, path) is None) == is_identified


def test_versions_of_a_model_go_by_its_name() -> None:
    def told(repo: str) -> bool:
        return is_model_variant(Destination("model", repo), "Qwen/Qwen3-1.7B", "Qwen/Qwen3-1.7B-Base")

    assert told("Qwen/Qwen3-1.7B")
    assert told("unsloth/qwen3-1.7b-unsloth-bnb-4bit")
    assert not told("Qwen/Qwen3-1.7B-Base")
    assert not told("me/Qwen3-1.7B-Base-tuned")
    assert not told("Qwen/Qwen3-14B")
    gemma = Destination("model", "unsloth/gemma-3-4b-it-GGUF")
    assert is_model_variant(gemma, "google/gemma-3-4b-it", "google/gemma-3-4b-pt")
    assert not is_model_variant(Destination("dataset", "x/Qwen3-1.7B"), "Qwen/Qwen3-1.7B", "Qwen/Qwen3-1.7B-Base")


@pytest.mark.parametrize(
    ("host", "path", "name"),
    [
        ("datasets-server.huggingface.co", "/rows?dataset=foo/bar&dataset=openai/gsm8k", "dataset"),
        ("datasets-server.huggingface.co", "/rows?dataset=&dataset=openai/gsm8k", "dataset"),
        ("datasets-server.huggingface.co", "/rows?dataset=a/b&%64ataset=openai/gsm8k", "dataset"),
        ("datasets-server.huggingface.co", "/rows?dataset=a/b&config=x&split=train&split=test", "split"),
        ("modelscope.cn", "/api/v1/datasets/a/b/repo?FilePath=a&FilePath=b", "FilePath"),
        ("api.github.com", "/repos/a/b/contents/c?ref=1&ref=2", "ref"),
        ("datasets-server.huggingface.co", "/rows?dataset=a/b&config=x&split=train&offset=0", None),
        ("huggingface.co", "/api/models?expand=a&expand=b&filter=x&filter=y&search=dataset", None),
        ("huggingface.co", "/api/datasets/a/b", None),
        ("example.org", "/rows?dataset=a&dataset=b", None),
    ],
)
def test_parameters_that_occur_twice(host: str, path: str, name: str | None) -> None:
    assert repeated_parameter(host, path) == name
