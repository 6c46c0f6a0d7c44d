"""Runs with known answers, and how well a judge decides them."""
