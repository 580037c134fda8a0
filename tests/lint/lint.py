#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Lint tests: the project's rules about its own text, one command each.

  lint.py CHECK [--build DIR]      CHECK: one of the list below, or "all"

Every check prints one line a violation (file:line: what is wrong and what
would do) and exits 1 when there is any. Standard library only. A new check is
one function in checks_source.py or checks_build.py with the decorator @check.
"""
import pathlib
import signal
import sys

import checks_build
import checks_source
from common import CHECKS, Context

assert checks_build and checks_source


def main(arguments):
    build = None
    if "--build" in arguments:
        at = arguments.index("--build")
        build = pathlib.Path(arguments[at + 1]).resolve()
        del arguments[at:at + 2]
    if len(arguments) != 1 or arguments[0] not in [*CHECKS, "all"]:
        print(__doc__)
        for name, function in CHECKS.items():
            print(f"  {name:12} {function.__doc__.splitlines()[0]}")
        return 2
    wanted = CHECKS if arguments[0] == "all" else [arguments[0]]
    worst = 0
    for name in wanted:
        context = Context(build)
        skip = CHECKS[name](context)
        if skip and not context.problems:
            print(f"skip: {skip}")
            worst = worst or (77 if arguments[0] != "all" else 0)
        for problem in context.problems:
            print(problem)
        if context.problems:
            worst = 1
        if not skip:
            print(f"{name}: {context.looked_at} looked at, "
                  f"{len(context.problems)} wrong")
    return worst


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL) # "... | head" ends it quietly
    sys.exit(main(sys.argv[1:]))
