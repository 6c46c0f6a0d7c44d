"""What the functions of libraries do with data: where it comes in, where it is written, and where it is trained on."""

from posttrainbench.audit.conduct.call import Call
from posttrainbench.audit.conduct.known_data import data_sets, training
from posttrainbench.audit.conduct.known_files import files
from posttrainbench.audit.conduct.known_models import hosted
from posttrainbench.audit.conduct.known_python import builtins, methods, processes
from posttrainbench.audit.conduct.values import Value

STEPS = (hosted, training, files, processes, data_sets, builtins, methods)


def known_call(call: Call) -> Value | None:
    """The result of a call that is known; None for any other."""
    for step in STEPS:
        found = step(call)
        if found is not None:
            return found
    return None
