"""Launchers: execute the runs of an experiment on this machine, or on others through a scheduler."""
