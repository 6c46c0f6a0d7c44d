"""Decide whether a checkpoint is accepted as a submission, and write it in the form that every engine evaluates.

`canonical` decides and writes, `checks` compares with the base model, `facts` reports harmless differences, `tensors`,
`tokens` and `pickles` read files without loading them, `sanitize` adds the manifest, and `validation` serves
`ptb check-submission`.
"""
