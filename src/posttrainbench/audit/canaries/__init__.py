"""Canaries: evidence in the weights that a submission was trained on the test file."""
