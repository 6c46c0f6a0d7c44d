"""Record what every process in a sandbox opens, executes, renames and connects to, as told by the kernel.

A seccomp filter (`filter.py`), which the first process of the sandbox installs (`shim.py`), makes each of these system
calls wait for the recorder (`recorder.py`), a process on the host. The recorder opens files itself and passes the
descriptor into the caller, so a path that changes after it was read cannot deceive it. `docs/provenance.md` describes
the record.
"""
