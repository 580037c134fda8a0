# SPDX-License-Identifier: LGPL-2.1-or-later
"""Mean of the weights of several trainings of one network: average.py OUT.pt A.pt B.pt ..."""
import sys

import torch


def main():
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    records = [torch.load(p, map_location="cpu", weights_only=True) for p in sys.argv[2:]]
    out = records[-1]
    for name, value in out["state"].items():
        if value.dtype.is_floating_point:
            out["state"][name] = sum(r["state"][name] for r in records) / len(records)
    torch.save(out, sys.argv[1])


if __name__ == "__main__":
    main()
