"""What addresses are."""

import pytest

from posttrainbench.destinations import Destination, classify, is_among, is_page, is_version_of, shows_more

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
    huggingface.co /datasets/a/b.git/info/lfs/objects/batch dataset a/b - git
    huggingface.co /a/b/git-upload-pack model a/b - git
    datasets-server.huggingface.co /rows?dataset=a%2Fb&config=main&split=test dataset a/b - main/test
    www.modelscope.cn /api/v1/models/Qwen/Qwen3-4B/repo?Revision=m&FilePath=c.json model Qwen/Qwen3-4B m c.json
    modelscope.cn /datasets/a/b/resolve/master/t.csv dataset a/b master t.csv
    raw.githubusercontent.com /openai/human-eval/master/data/H.gz other github.com/openai/human-eval master data/H.gz
    github.com /openai/human-eval.git/info/refs?service=git-upload-pack other github.com/openai/human-eval - git
    codeload.github.com /o/r/zip/refs/heads/main other github.com/o/r refs/heads/main git
    api.github.com /repos/o/r/contents/d/f?ref=x other github.com/o/r x d/f
    github.com /aisa-group/PostTrainBench traces github.com/aisa-group/PostTrainBench - -
    huggingface.co /datasets/RTT1/posttrainbench-gsm8k-recipes traces RTT1/posttrainbench-gsm8k-recipes - -
    huggingface.co /api/datasets/x/post-train-bench_traces traces x/post-train-bench_traces - -
    posttrainbench.com / traces - - -
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
    assert is_page("Modal.com.", "/docs/guide/gpu")
    assert is_page("colab.research.google.com", "/drive/1?usp=sharing")
    assert is_page("docs.runpod.io", "/api-reference/pods")
    assert not is_page("modal.com", None)
    assert not is_page("modal.com", "/api/apps")
    assert not is_page("modal.com", "/docs/../api/apps")
    assert not is_page("api.modal.com", "/docs")


def test_only_where_the_path_matters_it_must_be_seen() -> None:
    assert shows_more("huggingface.co")
    assert shows_more("raw.githubusercontent.com")
    assert shows_more("modal.com")
    assert not shows_more("api.modal.com")
    assert not shows_more("cdn-lfs-us-1.hf.co")
    assert not shows_more("files.pythonhosted.org")


def test_the_test_split_is_told_from_the_rest_of_its_repository() -> None:
    patterns = ["openai/gsm8k:*test*"]
    assert is_among(classify("huggingface.co", "/datasets/OpenAI/gsm8k/resolve/main/main/test-0.parquet"), patterns)
    assert is_among(classify("datasets-server.huggingface.co", "/rows?dataset=openai/gsm8k&split=test"), patterns)
    assert is_among(classify("huggingface.co", "/datasets/openai/gsm8k.git/git-upload-pack"), patterns)
    assert not is_among(
        classify("huggingface.co", "/datasets/openai/gsm8k/resolve/main/main/train-0.parquet"), patterns
    )
    assert not is_among(classify("huggingface.co", "/api/datasets/openai/gsm8k"), patterns)
    assert not is_among(classify("huggingface.co", "/datasets/meta-math/MetaMathQA/resolve/main/test.json"), patterns)


def test_versions_of_a_model_go_by_its_name() -> None:
    def told(repo: str) -> bool:
        return is_version_of(Destination("model", repo), "Qwen/Qwen3-1.7B", "Qwen/Qwen3-1.7B-Base")

    assert told("Qwen/Qwen3-1.7B")
    assert told("unsloth/qwen3-1.7b-unsloth-bnb-4bit")
    assert not told("Qwen/Qwen3-1.7B-Base")
    assert not told("me/Qwen3-1.7B-Base-tuned")
    assert not told("Qwen/Qwen3-14B")
    gemma = Destination("model", "unsloth/gemma-3-4b-it-GGUF")
    assert is_version_of(gemma, "google/gemma-3-4b-it", "google/gemma-3-4b-pt")
    assert not is_version_of(Destination("dataset", "x/Qwen3-1.7B"), "Qwen/Qwen3-1.7B", "Qwen/Qwen3-1.7B-Base")
