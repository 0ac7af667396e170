"""What is read out of HLS playlists."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media.hls import DRM, LONGEST_LINE, MOST_FRAGMENTS, Fragment, Key, best, fragments, is_master

URL = "https://h.test/a/list.m3u8?sig=1"
AT = "https://h.test/a/"
WIDEVINE = '#EXT-X-KEY:METHOD=SAMPLE-AES-CTR,URI="data:,",KEYFORMAT="urn:uuid:edef8ba9"'

TAGS = [
    "#EXTINF:%,", "#EXT-X-BYTERANGE:%", "#EXT-X-BYTERANGE:5@%", "#EXT-X-MEDIA-SEQUENCE:%", "#EXT-X-DISCONTINUITY",
    '#EXT-X-KEY:METHOD=AES-128,URI="%",IV=0x%', "#EXT-X-KEY:METHOD=%", '#EXT-X-MAP:URI="%",BYTERANGE="%"',
    "#EXT-X-STREAM-INF:BANDWIDTH=%", "#EXT-X-GAP", "%", "http://%", "//%/a", "a?%",
]  # fmt: skip


def read(*lines: str) -> tuple[Fragment, ...]:
    return fragments("\n".join(["#EXTM3U", *lines, "#EXT-X-ENDLIST"]), URL)


def test_urls_are_joined_and_seconds_are_read() -> None:
    text = "\ufeff#EXTM3U\r\n#EXTINF:2.5,a, title\r\none.ts\r\n\r\n#EXTINF:3\r\n/two.ts?x=1\r\n#EXT-X-ENDLIST\r\n"
    assert fragments(text, URL) == (
        Fragment(f"{AT}one.ts", seconds=2.5),
        Fragment("https://h.test/two.ts?x=1", seconds=3.0),
    )
    assert read("a b.ts") == (Fragment(f"{AT}a b.ts"),)
    assert read("#EXTINF:none,", "a.ts", "b.ts") == (Fragment(f"{AT}a.ts"), Fragment(f"{AT}b.ts"))


def test_a_range_without_an_offset_follows_the_last_of_its_url() -> None:
    found = read(
        *("#EXT-X-BYTERANGE:10@5", "a"),
        *("#EXT-X-BYTERANGE:20@0", "b"),
        *("#EXT-X-BYTERANGE:7", "a"),
        *("#EXT-X-BYTERANGE:1", "c"),
        "d",
    )
    assert [(one.url.removeprefix(AT), one.span) for one in found] == [
        ("a", (5, 15)), ("b", (0, 20)), ("a", (15, 22)), ("c", (0, 1)), ("d", None)
    ]  # fmt: skip


def test_a_map_comes_before_what_needs_it_and_again_when_it_changes() -> None:
    one, two = '#EXT-X-MAP:URI="i.mp4"', '#EXT-X-MAP:URI="j.mp4",BYTERANGE="30@4"'
    found = read(one, "a", "b", "#EXT-X-DISCONTINUITY", two, "c")
    assert [(part.url.removeprefix(AT), part.span, part.opening) for part in found] == [
        ("i.mp4", None, True), ("a", None, False), ("b", None, False), ("j.mp4", (4, 34), True), ("c", None, False)
    ]  # fmt: skip
    assert [part.anew for part in found] == [False, False, False, False, True]


def test_a_key_is_for_what_is_below_it_and_in_the_place_of_the_one_before() -> None:
    """RFC 8216 section 4.3.2.4: also where no fragment lies between two of one system's."""
    one, two, other = ('#EXT-X-KEY:METHOD=AES-128,URI="1"', '#EXT-X-KEY:METHOD=AES-128,URI="2"', WIDEVINE)
    opening = '#EXT-X-MAP:URI="i.mp4"'
    keys = [Key(f"{AT}{n}", bytes(16)) for n in (1, 2)]
    assert [part.key for part in read(opening, one, "a")] == [None, keys[0]]
    assert [part.key for part in read(one, opening, "a")] == [keys[0], keys[0]]
    assert [part.key for part in read(one, opening, two, other, "a")] == keys
    assert [part.key for part in read(one, other, two, "a")] == keys[1:]


def test_a_line_may_be_long_but_not_without_end() -> None:
    assert len(read("#" + "A=," * 80_000, "a")) == 1
    for text in ("#EXT-X-KEY:" + "A=," * 90_000, "#" * 300_000, "a" * 300_000):
        with pytest.raises(DownloadError, match="line that is longer"):
            read(text, "a")
    with pytest.raises(DownloadError, match="line that is longer"):
        best("#EXTM3U\n#EXT-X-MEDIA:" + "A=," * 90_000, URL)


def test_gaps_are_left_out_but_count() -> None:
    key = '#EXT-X-KEY:METHOD=AES-128,URI="k"'
    found = read(key, "#EXT-X-GAP", "a", "b")
    assert found == (Fragment(f"{AT}b", key=Key(f"{AT}k", (1).to_bytes(16, "big"))),)


def test_keys_and_their_vectors() -> None:
    found = read(
        "#EXT-X-MEDIA-SEQUENCE:256",
        *('#EXT-X-KEY:METHOD=AES-128,URI="k,1",IV=0X00ff', "a", "b"),
        *('#EXT-X-KEY:METHOD=AES-128,URI="k2"', "c"),
        *("#EXT-X-KEY:METHOD=NONE", "d"),
    )
    keys = [one.key and (one.key.url.removeprefix(AT), int.from_bytes(one.key.iv, "big")) for one in found]
    assert keys == [("k,1", 255), ("k,1", 255), ("k2", 258), None]


def test_of_several_key_systems_the_plain_one_is_used() -> None:
    plain, drm = '#EXT-X-KEY:METHOD=AES-128,URI="k"', '#EXT-X-KEY:METHOD=SAMPLE-AES,URI="skd://x",KEYFORMAT="com.a"'
    for both in ((plain, drm), (drm, plain)):
        (one,) = read(*both, "a")
        assert one.key == Key(f"{AT}k", bytes(16))
    with pytest.raises(DownloadError, match=DRM):
        read(plain, "a", drm, "b")
    assert read(drm, "#EXT-X-KEY:METHOD=NONE", "a") == (Fragment(f"{AT}a"),)


@pytest.mark.parametrize(
    "lines",
    [
        ["#EXT-X-BYTERANGE:0@5", "a"],
        ["#EXT-X-BYTERANGE:-5@5", "a"],
        ["#EXT-X-BYTERANGE:5@-5", "a"],
        [f"#EXT-X-BYTERANGE:{'9' * 40}", "a"],
        ["http://"],
        ["http://[x/a"],
        ["http://h.test\\@other/a"],
        ["javascript:alert(1)"],
        ['#EXT-X-KEY:METHOD=AES-128,URI="data:,x"', "a"],
        ["a\x00b"],
        [],
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused(lines: list[str]) -> None:
    with pytest.raises(DownloadError):
        read(*lines)


def test_a_playlist_has_an_end() -> None:
    for text in ("#EXTM3U\na", "#EXTM3U\n#EXT-X-PLAYLIST-TYPE:EVENT\na", "#EXTM3U\n# #EXT-X-ENDLIST\na"):
        with pytest.raises(DownloadError, match="Live streams are not supported"):
            fragments(text, URL)
    assert fragments("#EXTM3U\n#EXT-X-PLAYLIST-TYPE:VOD\na", URL)
    with pytest.raises(DownloadError, match=f"more than {MOST_FRAGMENTS}"):
        read(*["a"] * (MOST_FRAGMENTS + 1))


def test_no_line_costs_more_than_its_length() -> None:
    """Twice as long must not be four times as dear: the limit of a test's time is what fails here."""
    much = LONGEST_LINE - 20
    for line in ("#EXT-X-KEY:" + "A" * much, '#EXT-X-MAP:A="' * (much // 8), "#EXT-X-KEY:A" + " " * much, "\n" * much):
        with pytest.raises(DownloadError):
            read(line, "ftp://x")
        with pytest.raises(DownloadError):
            best(f"#EXTM3U\n{line.replace('KEY', 'STREAM-INF')}\n", URL)
    with pytest.raises(DownloadError, match="refused"):
        read("a" * much)


def test_the_best_of_a_master_playlist() -> None:
    lines = (
        '#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="apart",URI="s.m3u8"',
        *("#EXT-X-STREAM-INF:BANDWIDTH=5", "low"),
        *('#EXT-X-STREAM-INF:BANDWIDTH=900,CODECS="a,b",AUDIO="apart"', "without"),
        *('#EXT-X-STREAM-INF:PROGRAM-ID=1,BANDWIDTH=70,NAME="x"', "#EXTINF", "high"),
        *("#EXT-X-STREAM-INF:BANDWIDTH=none", "odd"),
    )
    text = "\n".join(["#EXTM3U", *lines])
    assert is_master(text)
    assert best(text, URL) == f"{AT}high"
    assert best(text.replace('URI="s.m3u8"', ""), URL) == f"{AT}without"
    with pytest.raises(DownloadError, match="names no media"):
        best("\n".join([*lines[:1], *lines[3:5]]), URL)
    with pytest.raises(DownloadError, match="names no media"):
        best("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5", URL)
    with pytest.raises(DownloadError, match="refused"):
        best("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=5\nfile:///x", URL)


@given(st.lists(st.sampled_from(TAGS) | st.text(max_size=12), max_size=12), st.text(max_size=8))
def test_whatever_a_server_writes_is_read_or_refused(tags: list[str], odd: str) -> None:
    """What is read is on the web, in ranges that are some."""
    text = "\n".join(["#EXTM3U", "#EXT-X-ENDLIST", *(tag.replace("%", odd) for tag in tags)])
    try:
        found = fragments(text, URL)
    except DownloadError:
        return
    for one in found:
        assert one.url.startswith(("http://", "https://"))
        assert one.span is None or 0 <= one.span[0] < one.span[1]
        assert one.key is None or (one.key.url.startswith("http") and len(one.key.iv) == 16)
        assert 0 <= one.seconds < 1e9
    with contextlib.suppress(DownloadError):
        assert best(text, URL).startswith("http")


def test_no_signature_is_told() -> None:
    with pytest.raises(DownloadError) as caught:
        read("ftp://u:pass@h.test/a?sig=se-cret")
    assert "se-cret" not in str(caught.value)
    assert "pass" not in str(caught.value)
