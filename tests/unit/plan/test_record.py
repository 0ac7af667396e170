"""When a control file is worth its wait for the disk."""

from __future__ import annotations

from slasshy_rpc.plan.record import FIRST_GUESS, Cadence

MIB = 1 << 20


def test_a_slow_download_is_recorded_whenever_something_came() -> None:
    cadence = Cadence()
    assert cadence.worth(MIB, 1000 * MIB, 1 * MIB)
    cadence.note(MIB, 0.05)
    assert not cadence.worth(MIB, 999 * MIB, 1 * MIB)
    assert cadence.worth(2 * MIB, 998 * MIB, 1 * MIB)


def test_a_stalled_download_is_recorded() -> None:
    assert Cadence().worth(600 * MIB, MIB, 0.0)


def test_a_record_that_the_end_would_overtake_is_left_out() -> None:
    # 600 MiB take the disk three seconds; what is left comes in less than one.
    assert not Cadence().worth(600 * MIB, 400 * MIB, 600 * MIB)
    assert Cadence().worth(600 * MIB, 9000 * MIB, 600 * MIB)


def test_a_complete_download_is_not_recorded() -> None:
    assert not Cadence().worth(MIB, 0, 0.0)


def test_the_disk_is_learned() -> None:
    slow, fast = Cadence(), Cadence()
    for round_ in range(1, 6):
        slow.note(round_ * 10 * MIB, 10.0)
        fast.note(round_ * 1000 * MIB, 0.5)
    assert not slow.worth(60 * MIB, 50 * MIB, 50 * MIB)
    assert fast.worth(5000 * MIB + FIRST_GUESS, 400 * MIB, 100 * MIB)
