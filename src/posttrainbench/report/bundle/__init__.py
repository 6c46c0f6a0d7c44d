"""Bundles: runs in one file for strangers, and the checks that another machine can repeat."""
