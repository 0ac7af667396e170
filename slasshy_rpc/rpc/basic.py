"""HTTP Basic authentication as rpc-user and rpc-passwd mean it (RFC 7617, read as leniently as aria2 does).

Owns: whether a header carries the right name and password. Never: what is answered to one that does not.
"""

from __future__ import annotations

from hmac import compare_digest

from slasshy_rpc.rpc import loose_base64

CHALLENGE = 'Basic realm="aria2"'
_SCHEME = "Basic "


def admits(authorization: str | None, user: str, password: str | None) -> bool:
    """Whether the value of an Authorization field names ``user`` with ``password``, None for any password.

    The time it takes tells nothing about how much of a wrong one is right.
    """
    if authorization is None or not authorization.startswith(_SCHEME):
        return False
    given = loose_base64.decode(authorization.removeprefix(_SCHEME).encode("utf-8", "surrogateescape"))
    given_user, _, given_password = given.partition(b":")
    right_user = compare_digest(given_user, user.encode("utf-8", "surrogateescape"))
    if password is None:
        return right_user
    right_password = compare_digest(given_password, password.encode("utf-8", "surrogateescape"))
    return right_user and right_password
