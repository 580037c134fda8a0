#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""valgrind.py PROGRAM [ARGUMENT...]: under valgrind, where any use of a value
that nobody wrote is a failure. Exit status 77 where it is not installed."""
import os
import shutil
import sys

if not shutil.which("valgrind"):
    print("skipped: no valgrind here (apt-get install valgrind)")
    sys.exit(77)
os.execvp("valgrind", ["valgrind", "-q", "--error-exitcode=9", *sys.argv[1:]])
