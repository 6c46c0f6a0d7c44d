"""Audit finished runs: detectors state facts with evidence, and a rule set turns the facts into a verdict.

`evidence` holds what detectors read, `detectors` runs them, `policy` computes the verdict, `adjudication` records
people's decisions on findings, and `summary` prepares an audit for display. One package for each kind of evidence:
`contamination`, `lineage`, `integrity`, `behavior`, `judge`.
"""
