"""Models of training jobs on SageMaker, and of uploads to the storage from which they read."""

from __future__ import annotations

import posixpath
import re

from posttrainbench.audit.behavior.call import Call, texts_of
from posttrainbench.audit.behavior.values import UNKNOWN, Value, joined
from posttrainbench.audit.split_names import HELD_OUT

_HELD_OUT = re.compile(HELD_OUT, re.IGNORECASE)
_CHANNEL = "sagemaker channel "
"""Beginning of the name of an input channel's value."""
_INPUTS = ("inputs", "input_data_config")


def remote_jobs(call: Call) -> Value | None:
    """Model of uploads to S3, of input channels, and of estimators of SageMaker."""
    names = " ".join([*call.function.names, *(call.receiver.names if call.receiver is not None else ())])
    if call.last in ("upload_file", "upload_data", "upload") and (
        call.last != "upload_file" or len(call.arguments) > 2 or "Key" in call.named
    ):
        return _upload(call) if re.search(r"boto|sagemaker|s3", names, re.IGNORECASE) else None
    if "sagemaker" not in names:
        return None
    if call.last in ("InputData", "TrainingInput", "s3_input", "InputDataConfig", "Channel"):
        channel = (call.named.get("channel_name") or Value()).texts
        source = call.argument(1 if call.last == "InputData" else 0, "data_source", "s3_data") or Value()
        return Value(source.all(), source.texts, frozenset(f"{_CHANNEL}{name}" for name in channel))
    if call.last.endswith("Trainer"):
        return Value(names=frozenset(["sagemaker.Trainer()"]), truth=True)
    inputs = next((call.named[name] for name in _INPUTS if name in call.named), None)
    if call.last == "fit" or (call.last == "train" and inputs is not None):
        call.sink(f"{call.last}(...)", _channels(call, inputs or call.argument(0) or Value()))
        return Value()
    return None


def _channels(call: Call, inputs: Value) -> Value:
    """Return the content of the channels of a job, without held-out ones if there is one for training data."""
    channels = dict(inputs.fields) or {UNKNOWN: inputs}
    for key, part in inputs.fields.items():
        named = [name.removeprefix(_CHANNEL) for name in part.names if name.startswith(_CHANNEL)]
        if len(named) == 1:
            channels[named[0]] = channels.pop(key)
    if any("train" in name.lower() for name in channels):
        channels = {name: part for name, part in channels.items() if not _HELD_OUT.match(name)}
    return joined(Value(), *channels.values(), *(call.read_value(part) for part in channels.values() if texts_of(part)))


def _upload(call: Call) -> Value:
    """Copy a local file or folder to the address in S3, and return the address."""
    source = call.argument(0, "Filename", "path", "local_path") or Value()
    address = call.argument(1, "desired_s3_uri") if call.last == "upload" else None
    if address is None:
        bucket, key = call.argument(1, "Bucket", "bucket") or Value(), call.argument(2, "Key", "key_prefix") or Value()
        texts = frozenset(
            posixpath.join("s3://", one, other) for one in bucket.texts or {UNKNOWN} for other in key.texts or {UNKNOWN}
        )
        address = Value(texts=texts)
    call.write(address, call.read(source) | source.all())
    return Value(texts=address.texts)
