"""What may become a tag or a cover."""

from __future__ import annotations

from slasshy_rpc.media.labels import LARGEST, Labels, is_picture, labels


def test_what_is_said() -> None:
    said = {
        "title": "A",
        "artist": "B",
        "album": "C",
        "track": 3,
        "date": "2024-05-01",
        "comment": "https://x.test/w?v=1",
    }
    assert dict(labels(said, []).tags) == {**said, "track": "3"}
    assert dict(labels({"date": 1999}, None).tags) == {"date": "1999"}


def test_pages() -> None:
    for page in ("https://x.test", "https://x.test/@user/1", "http://x.test?a=b@c"):
        assert dict(labels({"comment": page}, None).tags) == {"comment": page}


def test_what_is_none() -> None:
    wrong = {"title": None, "artist": " \n", "track": "0", "date": "May", "comment": "https://u:p@x.test/", "exec": "x"}
    assert labels(wrong, None) == labels("x", "http://x.test/") == labels(None, 3) == Labels()
    assert labels({"track": "-1"}, [None, 3, "file:///etc/passwd", "ftp://x/"]) == Labels()


def test_what_is_too_much() -> None:
    found = labels({"title": "a\x00\x1b[2J\ud800\n" + "b" * 9999}, [f"https://x.test/{n}" for n in range(9)])
    assert found.tags == (("title", "a [2J " + "b" * 294),)
    assert len(found.covers) == 3


def test_pictures() -> None:
    assert is_picture(b"\xff\xd8\xff\xe0")
    assert is_picture(b"\x89PNG\r\n\x1a\n")
    assert not is_picture(b"<svg>")
    assert not is_picture(b"RIFF    WEBP")
    assert not is_picture(b"\xff\xd8\xff" + bytes(LARGEST))
