"""The comparison: ``python -m dnafast.bench``."""
