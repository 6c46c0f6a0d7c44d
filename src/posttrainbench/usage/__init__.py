"""Token usage and cost of a run's model calls."""
