"""``python -m dnafast.bench``."""

import sys

from dnafast.threads import set_spin_policy

# OpenMP reads its policy when torch loads it, so the policy is set before anything here imports torch.
set_spin_policy()

from dnafast.bench.main import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
