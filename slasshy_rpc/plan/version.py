"""Whether two answers, or an answer and a record, speak of the same bytes.

Owns: the rule. Never: where validators come from, or how they are kept (texts in answers, digests in live maps).
"""

from __future__ import annotations

from typing import TypeVar

T = TypeVar("T", str, bytes)


def same_version(first: tuple[T, T], now: tuple[T, T], *, weak: bool = False) -> bool:
    """``first`` and ``now`` are (entity tag, Last-Modified), each empty if unknown (RFC 9110 section 8.8).

    Nodes of one site may give different tags to the same file: an equal date is believed then. Equal ``weak`` tags do
    not outweigh different dates; different ones are as good as strong ones.
    """
    (tag, date), (tag_now, date_now) = first, now
    both_dated = bool(date and date_now)
    same_date = both_dated and date == date_now
    if tag and tag_now:
        return (not weak or same_date or not both_dated) if tag == tag_now else same_date
    return same_date or not both_dated
