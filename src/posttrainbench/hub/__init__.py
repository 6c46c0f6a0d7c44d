"""Pull models and data sets, verify them, and keep them in the local store."""
