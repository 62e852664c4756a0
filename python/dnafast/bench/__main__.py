"""``python -m dnafast.bench``."""

import sys

from dnafast.threads import set_spin_policy

# OpenMP reads its policy when torch loads it, so the policy is set before anything here imports torch.
set_spin_policy()

if __name__ == "__main__":
    try:
        from dnafast.bench.main import main

        sys.exit(main())
    except KeyboardInterrupt:
        # Pressed while modules were loading; later ones are told in `main`.
        print("\ndnafast: stopped.", file=sys.stderr)
        sys.exit(130)
