"""Training, validation and test parts that share no piece of the genome."""

from dnafast.splitting.by_genome import split
from dnafast.splitting.by_sequence import fold_sequences, split_sequences
from dnafast.splitting.folds import part_names
from dnafast.splitting.parts import PARTS, Split, part_of

__all__ = ["PARTS", "Split", "fold_sequences", "part_names", "part_of", "split", "split_sequences"]
