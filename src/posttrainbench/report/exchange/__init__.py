"""Trajectories in the formats of other tools, converted by the libraries of those tools."""
