"""What an agent finds in its sandbox: the prompt, `evaluate.py`, `timer.sh`. These files stand alone."""
