"""Detect changes to the evaluation kit, the evaluation packages, the deadline, and forged or abusive submissions."""
