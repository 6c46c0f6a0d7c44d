"""What the agent did, and whether it was allowed to: detectors over its commands, its scripts and its requests.

`trace` and `shell` read what was done, `replay` follows data from its sources through scripts and files to training,
and one module for each detector states facts: `scripts`, `hosted`, `access`, `grader`, `statements`, `exploits`.
"""
