"""How fast the data path is on this machine: ``python -m dnafast.bench --only data``."""
