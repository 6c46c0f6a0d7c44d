"""Library models: what the functions of libraries do with data, as taint sources, sinks and propagation."""

from posttrainbench.audit.behavior.call import LibraryModel
from posttrainbench.audit.behavior.library_models.builtins import builtins, methods, processes
from posttrainbench.audit.behavior.library_models.configuration import configuration
from posttrainbench.audit.behavior.library_models.databases import databases, programs
from posttrainbench.audit.behavior.library_models.datasets import data_sets, training
from posttrainbench.audit.behavior.library_models.files import files
from posttrainbench.audit.behavior.library_models.followed_rows import followed_rows
from posttrainbench.audit.behavior.library_models.llm_clients import hosted_models
from posttrainbench.audit.behavior.library_models.remote_jobs import remote_jobs
from posttrainbench.audit.behavior.library_models.working_directory import working_directory

LIBRARY_MODELS: tuple[LibraryModel, ...] = (
    working_directory,
    remote_jobs,
    hosted_models,
    training,
    databases,
    followed_rows,
    configuration,
    programs,
    files,
    processes,
    data_sets,
    builtins,
    methods,
)
"""All models, in the order in which they are asked."""
