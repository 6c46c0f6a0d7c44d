"""Services that an agent may ask for feedback during its work: the evaluator of sealed suites, and the grader service.

`service` runs a service in a process of its own; `evaluator` and `grader` start the two, and `evaluator_server` and
`grader_server` are their processes. `checkpoint_copy` copies checkpoints out of the agent's reach.
"""
