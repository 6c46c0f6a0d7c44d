"""The decoding settings of `generation_config.json` that count. Stand-alone: the agent's kit holds a copy."""

SAMPLING_KEYS = ("temperature", "top_p", "top_k", "min_p", "repetition_penalty")
TOKEN_KEYS = ("eos_token_id", "bos_token_id", "pad_token_id")
