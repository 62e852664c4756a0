"""The commands of ``dnafast`` other than the bench, each a module with its options and ``main``."""
