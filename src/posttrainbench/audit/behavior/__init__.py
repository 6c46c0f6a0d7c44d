"""Detectors of the agent's behavior: its commands, scripts and network requests.

`trace`, `requests` and `scripts_in_workspace` read the evidence, `replay` follows data from its sources through scripts
and files to training, and one module per detector returns findings: `scripts`, `hosted`, `access`, `grader`,
`statements`, `exploits`.
"""
