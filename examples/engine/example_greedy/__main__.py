"""`python -m example_greedy`: the engine's own process."""

from example_greedy import serve

serve()
