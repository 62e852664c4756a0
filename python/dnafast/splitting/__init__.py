"""Training, validation and test parts that share no piece of the genome."""

from dnafast.splitting.by_genome import split
from dnafast.splitting.by_sequence import split_sequences
from dnafast.splitting.parts import PARTS, Split, part_of

__all__ = ["PARTS", "Split", "part_of", "split", "split_sequences"]
