"""Names of library functions and modules that post-training scripts use, by their role in the data flow."""

import re

CLIENTS = {
    "openai": "api.openai.com",
    "anthropic": "api.anthropic.com",
    "google.generativeai": "generativelanguage.googleapis.com",
    "google.genai": "generativelanguage.googleapis.com",
    "vertexai": "aiplatform.googleapis.com",
    "mistralai": "api.mistral.ai",
    "cohere": "api.cohere.com",
    "groq": "api.groq.com",
    "together": "api.together.xyz",
    "fireworks": "api.fireworks.ai",
    "dashscope": "dashscope.aliyuncs.com",
    "zhipuai": "open.bigmodel.cn",
    "zai": "api.z.ai",
    "replicate": "api.replicate.com",
    "litellm": "",
    "langchain_openai": "api.openai.com",
    "langchain_anthropic": "api.anthropic.com",
    "langchain_google_genai": "generativelanguage.googleapis.com",
    "instructor": "",
    "huggingface_hub.InferenceClient": "router.huggingface.co",
    "huggingface_hub.AsyncInferenceClient": "router.huggingface.co",
    "xai_sdk": "api.x.ai",
    "dspy": "",
    "bespokelabs.curator": "",
    "aisuite": "",
    "boto3": "",
    "gradio_client": "hf.space",
    "duckduckgo_search": "duckduckgo.com",
    "ddgs": "duckduckgo.com",
    "fastapi_poe": "api.poe.com",
}
"""Module of a hosted model's client -> its default host; "" if it has none."""

ASKS = re.compile(
    r"\.(create|acreate|parse|stream|generate|agenerate|generate_content|generate_content_async|send_message|completion|"
    r"acompletion|batch_completion|complete|chat|chat_completion|text_generation|call|run|invoke|ainvoke|batch|abatch|"
    r"predict|responses|query|__call__)$"
)
"""Suffixes of client functions that query a model."""
BATCHES = re.compile(
    r"\.(files\.(content|retrieve_content|download)|batches\.results|invoke_model\w*|converse(_stream)?)$"
)
"""Suffixes of functions that fetch the answers of a batch job, and of those that query Amazon's Bedrock."""
ASKS_ITSELF = re.compile(
    r"^(dspy\.LM|bespokelabs\.curator\.LLM)\(\)(@[^()]*)?$|^fastapi_poe\.get_bot_response(_sync)?$"
)
"""Objects and functions that query a model when they are called."""
NOT_ASKS = re.compile(r"\.(models|files|embeddings|moderations|fine_tuning|count_tokens)\.")
ADDRESS = frozenset(
    "base_url api_base openai_api_base azure_endpoint endpoint endpoint_url api_url http_options".split()
)
ADDRESS_VARIABLES = frozenset("OPENAI_BASE_URL OPENAI_API_BASE ANTHROPIC_BASE_URL GOOGLE_GEMINI_BASE_URL".split())
LOCAL = re.compile(
    r"^(https?://|unix:)?(localhost|127\.\d+\.\d+\.\d+|0\.0\.0\.0|\[?::1\]?|host\.docker\.internal|/|[\w.-]+\.sock)"
    r"([:/]|$)|^https?://[\w-]+(:\d+)?(/|$)"  # a name without a dot is not on the Internet
)
LOCAL_MODELS = ("ollama/", "ollama_chat/", "lm_studio/", "llamafile/", "xinference/")
"""Beginnings of LiteLLM's names of models on this machine."""
WEB = re.compile(r"(^|\.)(get|post|put|request|urlopen|urlretrieve|Request|fetch|stream|send)$")

MODELED = frozenset(
    "datasets transformers trl peft accelerate torch unsloth sentence_transformers lightning vllm huggingface_hub "
    "numpy pandas polars pyarrow evaluate inspect_ai inspect_evals openai anthropic litellm langchain_openai".split()
)
"""Packages whose functions are modeled by name, even if the workspace contains a copy of their code."""

TRAINERS = re.compile(r"(^|\.)\w*Trainer(\(\))?$")
TRAINED = ("train_dataset", "train_data", "training_data", "dataset", "train_datasets", "train_dataloader")
FITS = re.compile(r"trainer|model|learner|module|student|network|(^|[^a-z])(net|llm|lm)([^a-z]|$)|^$", re.IGNORECASE)
"""Objects whose `fit` trains a network; others are vectorizers, scalers and clusterings."""
NOT_FITS = re.compile(r"sklearn|scipy|tfidf|vectoriz|scaler|encoder|cluster|neighbor|KMeans|PCA|BM25", re.IGNORECASE)
TRAINS = frozenset("fit fit_generator finetune fine_tune train_model train_on_batch run_sft sft_train".split())

READS = re.compile(
    r"(^|\.)(read_(json|csv|parquet|table|excel|pickle|ndjson|text|jsonl|feather|ipc|arrow)|scan_\w+|load_from_disk|"
    r"from_(json|csv|parquet|text|file|disk)|(json|csv)_dataset|loadtxt|genfromtxt|memmap|load_jsonl|read_lines|read_bytes)$"
)
READS_FIRST = frozenset(
    "torch.load numpy.load np.load joblib.load pickle.load json.load jsonlines.open yaml.safe_load ujson.load "
    "orjson.loads linecache.getlines safetensors.torch.load_file".split()
)
WRITES = re.compile(
    r"^(to_(json|csv|parquet|pickle|excel|feather|text|sql|arrow|ndjson)|save_to_disk|write_(json|csv|parquet|ndjson|"
    r"ipc|text|bytes|jsonl|lines)|sink_\w+|savez|savez_compressed|savetxt|push_to_hub|upload_file|save_jsonl|dump_jsonl)$"
)
WRITES_PAIR = frozenset(
    "json.dump pickle.dump joblib.dump torch.save numpy.save np.save yaml.dump yaml.safe_dump csv.dump "
    "pq.write_table pyarrow.parquet.write_table srsly.write_jsonl".split()
)
WRITES_NAMED = frozenset("numpy.savez np.savez numpy.savez_compressed np.savez_compressed".split())
COPIES = frozenset(
    "shutil.copy shutil.copy2 shutil.copyfile shutil.copytree shutil.move os.rename os.replace os.link "
    "os.symlink".split()
)
REMOVES = frozenset("os.remove os.unlink shutil.rmtree".split())
SHELLS = frozenset(
    "os.system os.popen subprocess.run subprocess.call subprocess.check_call subprocess.check_output subprocess.Popen "
    "subprocess.getoutput subprocess.getstatusoutput asyncio.create_subprocess_exec "
    "asyncio.create_subprocess_shell get_ipython().system".split()
)
LOGS = frozenset(
    "read_eval_log read_eval_log_samples read_eval_log_sample list_eval_logs samples_df messages_df events_df".split()
)

COUNTS = frozenset(
    "len sum int float round bool isinstance issubclass any all abs hasattr callable type id hash range mean median "
    "std var item argmax argmin isin isna notna duplicated isdisjoint issubset issuperset startswith endswith count "
    "index exists is_file is_dir accuracy_score f1_score time perf_counter ratio partial_ratio token_set_ratio eval "
    "evaluate compute".split()
)
"""Functions that return a number or a truth value: no content passes through them."""
CHOOSES = re.compile(
    r"decontam|dedup|deduplicate|drop_dup|remove_(overlap|contam|leak|test|dup|similar|near)|"
    r"(filter|exclude|drop|reject|strip|without|clean)_?\w*(test|eval|overlap|contam|leak|bench|dup)|"
    r"(overlap|contam|leak)\w*_(filter|check)",
    re.IGNORECASE,
)
"""Functions that remove matching rows: their result derives only from the first argument."""
POOLS = re.compile("Pool|Executor")
TRANSFORMS = frozenset(
    "map filter shuffle select rename_column rename_columns remove_columns select_columns cast cast_column flatten "
    "sort with_format set_format with_transform class_encode_column align_labels_with_mapping".split()
)
"""Methods that transform each split of a `DatasetDict`."""
KEEPS = frozenset(
    "difference symmetric_difference filter drop_duplicates dropna drop query loc iloc where mask".split()
)
"""Methods whose result derives only from their object."""
ADDS = frozenset("append extend add update insert appendleft extendleft put put_nowait setdefault push concat".split())
"""Methods that add their arguments to their object."""
DATA_FILE = re.compile(r"\.(jsonl?|csv|tsv|parquet|arrow|txt|pkl|pickle|pt|npy|npz|ya?ml|gz|zst|db|feather|bin)$")
SAVES = re.compile(r"save|write|dump(?!s)|export|store|to_json|append_to", re.IGNORECASE)
