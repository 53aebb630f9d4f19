# SPDX-License-Identifier: Apache-2.0
"""A small program that becomes another one, tied to its parent's life and stripped of root. Run by path; imports only the standard library.

`python -I -S tether.py PARENT_PID SIGNAL UID GID PROGRAM ARGUMENT...`: give up root for UID and GID (-1: stay), ask the kernel to send
SIGNAL when the parent dies (Linux; elsewhere pid files do the cleaning), then become PROGRAM. It exists because the interpreter may lie in
a folder that UID cannot read, and because the same steps in a forked copy of a threaded process can lock up.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1


def main() -> None:
    """Become the program named on the command line."""
    parent_pid, signal_number, uid, gid = (int(argument) for argument in sys.argv[1:5])
    if gid >= 0:
        os.setgroups([])
        os.setgid(gid)
    if uid >= 0:
        os.setuid(uid)
    if sys.platform == "linux":
        # The kernel forgets the wish when the user changes, so it comes after setuid.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number, 0, 0, 0)
        if os.getppid() != parent_pid:
            sys.exit("the parent died first")
    os.execv(sys.argv[5], sys.argv[5:])  # noqa: S606 - a path from our own code, no shell


if __name__ == "__main__":
    main()
