"""Stand-alone scorers. Each file is copied into the agent's kit, so it must not import this package."""
