"""``python -m orthanclite.confined FOLDERS MODULE ARGUMENTS...``: run a module without what it does not need.

For the helper processes of the server, most of all those in which libraries written in C decode the images
of strangers. Whoever takes one over shall find neither network nor files nor other programs there.

- Landlock (Linux 5.13 and later): only the code can be read, and only ``FOLDERS``, separated by ``:``, can be
  written. No TCP since Linux 6.7, no signals to others and no abstract sockets since 6.12.
- seccomp, where libseccomp is installed: no new socket of any kind, no other program, no tracing, no signals
  to others, and nothing that changes their limits, priorities or memory.

What is open already (the socket to the server, files that it hands over) stays usable. What the system does
not offer is left out; the environment tells the module what is in force.
"""

from __future__ import annotations

import ctypes
import errno
import os
import runpy
import site
import sys
import sysconfig
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

from orthanclite.core.machine.processes import CONFINEMENT

_SET_NO_NEW_PRIVILEGES = 38  # PR_SET_NO_NEW_PRIVS

_FORBIDDEN = (
    *("socket", "socketpair", "connect", "bind", "listen", "accept", "accept4"),
    *("execve", "execveat", "ptrace", "process_vm_readv", "process_vm_writev", "pidfd_getfd"),
    *("bpf", "io_uring_setup", "userfaultfd", "perf_event_open", "add_key", "keyctl", "request_key"),
    *("mount", "umount2", "pivot_root", "chroot", "setns", "unshare", "open_by_handle_at"),
    *("pidfd_open", "pidfd_send_signal", "rt_sigqueueinfo", "rt_tgsigqueueinfo", "tkill", "kcmp"),
    *("process_madvise", "process_mrelease", "migrate_pages", "move_pages", "ioprio_set", "setpgid"),
)
"""System calls that no helper needs."""

_FOR_ITSELF = ("kill", "tgkill")
"""System calls whose first argument must be this very process: without it, ``abort`` could not end it."""

_FOR_THIS_PROCESS = (
    *(("prlimit64", 0), ("sched_setaffinity", 0), ("sched_setscheduler", 0), ("sched_setparam", 0)),
    *(("sched_setattr", 0), ("setpriority", 0), ("setpriority", 1)),
)
"""System calls with the position of an argument that must be zero, which means this process (setpriority:
that it is one, and which)."""

_SYSTEM_CODE = ("/usr/lib", "/usr/lib64", "/usr/local/lib", "/lib", "/lib64", "/etc/ld.so.cache")
_SYSTEM_DATA = ("/usr/share/zoneinfo", "/etc/localtime", "/dev/urandom")


def main(folders: str, module: str, *arguments: str) -> None:
    """Confine this process, then run ``module`` as the main one."""
    means = confine(folder for folder in folders.split(":") if folder)
    os.environ[CONFINEMENT] = ",".join(means)
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def confine(writable: Iterable[str]) -> list[str]:
    """Give up what is not needed, for good; the means that the system offered.

    :param writable: folders in which files are read and written
    """
    ctypes.CDLL(None).prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    filter = _call_filter()  # before all else: a program is run to find libseccomp
    means = []
    if _restrict_files(writable):
        means.append("landlock")
    if filter is not None:
        filter.load()
        means.append("seccomp")
    return means


def _restrict_files(writable: Iterable[str]) -> bool:
    from landlockpy import AccessFS, LandlockError, Ruleset, Scope, UnsupportedError

    reading = AccessFS.READ_FILE | AccessFS.READ_DIR | AccessFS.EXECUTE
    changing = AccessFS.WRITE_FILE | AccessFS.TRUNCATE | AccessFS.REMOVE_FILE | AccessFS.REMOVE_DIR
    making = AccessFS.MAKE_REG | AccessFS.MAKE_DIR | AccessFS.REFER
    try:
        with Ruleset(scoped=Scope.ABSTRACT_UNIX_SOCKET | Scope.SIGNAL) as rules:
            for path in _code():
                rules.allow_path(path, reading if path.is_dir() else reading & ~AccessFS.READ_DIR)
            rules.allow_path(os.devnull, AccessFS.READ_FILE | AccessFS.WRITE_FILE)
            for folder in writable:
                rules.allow_path(folder, reading & ~AccessFS.EXECUTE | changing | making)
            rules.restrict()
    except (UnsupportedError, LandlockError, OSError):
        return False
    return True


def _code() -> set[Path]:
    """Where Python, its libraries, this package and what they are linked with are."""
    places = [*_SYSTEM_CODE, *_SYSTEM_DATA, *site.getsitepackages(), site.getusersitepackages()]
    places += [sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")]
    places += [os.path.join(prefix, "lib") for prefix in (sys.prefix, sys.base_prefix)]
    places.append(os.path.dirname(__file__))
    return {path for place in places if (path := Path(place)).exists()}


def _call_filter() -> Any:
    """What refuses system calls once it is loaded; None without libseccomp."""
    try:
        import pyseccomp
    except (ImportError, OSError, RuntimeError):
        return None
    filter = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    for name in _FORBIDDEN:
        with suppress(OSError, ValueError):  # one that this architecture does not have
            filter.add_rule(pyseccomp.ERRNO(errno.EPERM), name)
    refusals = [(name, pyseccomp.Arg(0, pyseccomp.NE, os.getpid())) for name in _FOR_ITSELF]
    refusals += [(name, pyseccomp.Arg(position, pyseccomp.NE, 0)) for name, position in _FOR_THIS_PROCESS]
    for name, argument in refusals:
        with suppress(OSError, ValueError):
            filter.add_rule(pyseccomp.ERRNO(errno.EPERM), name, argument)
    return filter


if __name__ == "__main__":
    main(*sys.argv[1:])
