"""Which page has a song, and which only seems to."""

from __future__ import annotations

import pytest

from slasshy_rpc.media.match import ENOUGH, Candidate, Song, best, score, words

SONG = Song("Midnight Train", ("The Lamps", "Ada"), 215)


def found(title: str, channel: str = "", seconds: float = 215) -> Candidate:
    return Candidate("https://v.test/", title, channel, seconds)


RIGHT = [
    found("The Lamps - Midnight Train (feat. Ada)"),
    found("Midnight Train", "The Lamps - Topic"),
    found("The Lamps & Ada — MIDNIGHT TRAIN [Official Video] HD", "TheLampsVEVO", 221),
    found("Midnight Train (Official Audio)", "the lamps", 214),
    found("The Lamps ft. Ada - Midnight Train (Lyrics)", "Lyrics4You", 217),
    found("The Lamps, Ada - Midnight Train", "x", 0),
]
WRONG = [
    found("The Lamps - Midnight Train (Live at Home) ft. Ada"),
    found("The Lamps - Midnight Train (en vivo)", "The Lamps"),
    found("Midnight Train - The Lamps ft. Ada (cover by Bob)", "Bob"),
    found("Midnight Train (The Lamps, Ada)", "Karaoke Kings"),
    found("The Lamps - Midnight Train ft. Ada - 10 hours loop", "Loops", 36000),
    found("The Lamps ft. Ada - Midnight Train (Bob Remix)", "Bob"),
    found("The Lamps & Ada - Midnight Train (slowed + reverb)", "x"),
    found("The Lamps & Ada - Other Song Altogether", "The Lamps"),
    found("Midnight Train", "Somebody Else"),
    found("Midnight Train Station Sounds For Sleeping", "Ada Sleep", 215),
    found("The Lamps - Midnight Train", "The Lamps", 600),
    found("", "", 215),
]


@pytest.mark.parametrize("candidate", RIGHT, ids=lambda one: one.title)
def test_the_song_is_found(candidate: Candidate) -> None:
    assert score(SONG, candidate) >= ENOUGH


@pytest.mark.parametrize("candidate", WRONG, ids=lambda one: one.title)
def test_what_is_not_the_song_is_refused(candidate: Candidate) -> None:
    assert score(SONG, candidate) < ENOUGH


def test_the_best_of_many() -> None:
    assert best(SONG, [*WRONG, *RIGHT]) == (RIGHT[0], 100)
    assert best(SONG, []) is None


def test_a_full_score() -> None:
    assert score(SONG, found("Midnight Train (feat. Ada)", "The Lamps - Topic")) == 105


def test_a_remix_that_is_wanted_is_another_song() -> None:
    song = Song("Midnight Train (feat. Ada) - Bob Remix", ("The Lamps", "Ada", "Bob"), 300)
    right = found("The Lamps ft. Ada - Midnight Train (Bob Remix)", "Bob", 301)
    assert score(song, right) >= ENOUGH
    for wrong in ("The Lamps ft. Ada - Midnight Train", "The Lamps ft. Ada - Midnight Train (Carl Remix)"):
        assert score(song, found(wrong, "x", 215)) < ENOUGH


def test_live_that_is_wanted() -> None:
    song = Song("Hill - Live at the Park, 1999", ("The Lamps",), 200)
    assert score(song, found("The Lamps - Hill (Live at the Park)", "The Lamps", 202)) >= ENOUGH
    assert score(song, found("The Lamps - Hill", "The Lamps", 200)) < ENOUGH


def test_a_word_of_the_title_is_no_recording() -> None:
    song = Song("Live Forever", ("The Lamps",), 200)
    assert score(song, found("The Lamps - Live Forever", "", 200)) == pytest.approx(100)
    assert score(song, found("The Lamps - Live Forever (Live)", "", 200)) < ENOUGH
    band = Song("Lightning", ("Live",), 200)
    assert score(band, found("Live - Lightning", "", 200)) == pytest.approx(100)


@pytest.mark.parametrize(
    "title", ["Song - Remastered 2011", "Song (2004 Remaster)", "Song - Radio Edit", "Song [Mono]"]
)
def test_what_stands_behind_a_title_need_not_be_there(title: str) -> None:
    assert score(Song(title, ("The Lamps",), 200), found("The Lamps - Song", "", 200)) == pytest.approx(100)


@pytest.mark.parametrize(
    ("title", "artist", "there"),
    [
        ("Café Öl", "Beyoncé", "BEYONCE - Cafe Ol"),
        ("Don't Stop", "Björk", "Bjork - Dont Stop"),
        ("Straße", "Ødd", "ødd: STRASSE"),
        ("EARFQUAKE", "Tyler, The Creator", "Tyler, The Creator - EARFQUAKE (Official Video)"),
        ("夜に駆ける", "夜鳥", "夜鳥「夜に駆ける」Official Music Video"),
        ("September", "Earth, Wind & Fire", "Earth Wind and Fire September"),
    ],
)
def test_letters_are_compared_as_people_do(title: str, artist: str, there: str) -> None:
    assert score(Song(title, (artist,), 200), found(there, "", 200)) == pytest.approx(100)


def test_an_artist_with_a_comma_is_one() -> None:
    """Half of a name is half of an artist."""
    song = Song("EARFQUAKE", ("Tyler, The Creator",), 190)
    assert score(song, found("Tyler - EARFQUAKE", "", 190)) < score(song, found("EARFQUAKE Tyler The Creator", "", 190))


def test_more_than_the_title_is_another_title() -> None:
    song = Song("Hello", ("The Lamps",), 200)
    assert score(song, found("The Lamps - Hello Goodbye Once Again", "", 200)) < score(
        song, found("The Lamps - Hello", "", 203)
    )


@pytest.mark.parametrize("title", ["The Lamps - Train (Full Album)", "The Lamps - Train: how it was made", "Train"])
def test_a_length_that_is_far_off_is_another_recording(title: str) -> None:
    song = Song("Train", ("The Lamps",), 200)
    assert score(song, found(title, "The Lamps", 3600)) < ENOUGH
    assert score(song, found("The Lamps - Train (Official Video)", "The Lamps", 225)) >= ENOUGH


@pytest.mark.parametrize("title", ["Song 3", "Song"])
def test_another_number_is_another_title(title: str) -> None:
    song = Song("Song 2", ("The Lamps",), 200)
    assert score(song, found(f"The Lamps - {title}", "The Lamps", 200)) < ENOUGH
    assert score(song, found("The Lamps - Song 2", "The Lamps", 200)) == pytest.approx(100)


def test_letters_with_vowels_beside_them_are_words() -> None:
    """Another song of the same artist has some of the same letters."""
    song = Song("तुम ही हो", ("अरिजीत सिंह",), 262)
    assert score(song, found("अरिजीत सिंह - तुम ही हो", "", 262)) == pytest.approx(100)
    assert score(song, found("अरिजीत सिंह - मेरा दिल", "", 262)) < ENOUGH


def test_words() -> None:
    assert words("Beyoncé\N{RIGHT SINGLE QUOTATION MARK}s _Ça_ va?") == ["beyonces", "ca", "va"]
