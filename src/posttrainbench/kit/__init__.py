"""Files for the agent's sandbox: the prompt, `evaluate.py`, `timer.sh`."""
