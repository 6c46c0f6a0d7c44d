"""Stand-alone scorers of the micro suite; each file is copied into the agent's kit, so it imports nothing of ours."""
