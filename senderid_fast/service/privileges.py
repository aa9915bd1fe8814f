"""Privileges: the account that a service runs as, and giving up root for it, for good.

What may live here: looking accounts up, and the change. Nothing is opened here.
"""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass

from senderid_fast.errors import ServiceError

__all__ = ["Account", "account_of", "drop", "group_of"]

PR_SET_NO_NEW_PRIVS = 38  # linux/prctl.h


@dataclass(frozen=True, slots=True)
class Account:
    """Who a service runs as: names for people, numbers for the kernel."""

    user: str
    uid: int
    gid: int


def account_of(user: str, group: str) -> Account | None:
    """The account of the settings process.user and process.group; None: the one that started it.

    group  "": the user's own. Raises ServiceError for names that are not there.
    """
    import pwd

    if not user:
        if group:
            raise ServiceError("process.group", "needs process.user beside it")
        return None
    try:
        entry = pwd.getpwuid(int(user)) if user.isdecimal() else pwd.getpwnam(user)
    except (KeyError, OverflowError):
        raise ServiceError(
            "process.user",
            f"there is no user {user!a}: make it (adduser --system), or name another",
        ) from None
    gid = group_of(group, "process.group") if group else entry.pw_gid
    return Account(entry.pw_name, entry.pw_uid, gid)


def group_of(name: str, setting: str) -> int:
    """The number of a group. Raises ServiceError, which names the setting."""
    import grp

    try:
        return (grp.getgrgid(int(name)) if name.isdecimal() else grp.getgrnam(name)).gr_gid
    except (KeyError, OverflowError):
        raise ServiceError(
            setting, f"there is no group {name!a}: make it (addgroup --system), or name another"
        ) from None


def drop(account: Account | None) -> None:
    """Become the account, and make sure that there is no way back.

    None: stay who we are. Raises ServiceError if it cannot be, or if root could be had again.
    """
    if account is None:
        return
    if os.geteuid() != 0:
        if os.getuid() == account.uid:
            return
        raise ServiceError(
            "process.user",
            f"only root can become {account.user}: start as root, or as {account.user}",
        )
    _no_new_privileges()
    try:
        os.initgroups(account.user, account.gid)
        os.setresgid(account.gid, account.gid, account.gid)
        os.setresuid(account.uid, account.uid, account.uid)
    except OSError as error:
        words = f"cannot become {account.user}: {error.strerror or error}"
        raise ServiceError("process.user", words) from None
    if account.uid != 0:
        _no_way_back(account)


def _no_way_back(account: Account) -> None:
    uid, gid = account.uid, account.gid
    same = os.getresuid() == (uid,) * 3 and os.getresgid() == (gid,) * 3
    for regain in (os.setuid, os.setgid):
        try:
            regain(0)
        except PermissionError:
            continue
        if regain is os.setuid or gid != 0:
            same = False
    if not same:
        raise ServiceError("process.user", "root could be had again after it was given up")


def _no_new_privileges() -> None:
    """Programs that are started from here gain nothing by a setuid bit. Where the kernel has no
    such thing, nothing is lost: we start none."""
    with suppress(OSError, AttributeError, ImportError):
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
