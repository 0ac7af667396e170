"""Which of some pages that a search found has a song: a score by title, artists and length.

Owns: the score, and how high it has to be. Never: asks anybody.

Out of 100 points the title has 40, by how many of its words are there; the artists have 35, of which the first one has
70 %; the length has 25, less one for each second of difference, down to as many below 0: a whole album is no song. 35
are taken off for each word that says it is another recording (live, cover, remix ...) and is not in the song's own
title, or is missing though it is there, as for each number of the title that is missing; 3 for each word that nobody
expected, 15 at most. 5 are added where a label or the artist published the sound itself.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

#: The least that is taken for the song.
ENOUGH = 70.0

_TITLE, _ARTISTS, _FIRST, _LENGTH = 40.0, 35.0, 0.7, 25.0
_OTHER_RECORDING, _UNEXPECTED, _MOST_UNEXPECTED, _OFFICIAL = 35.0, 3.0, 15.0, 5.0

_OTHER = """
    8d acapella acoustic backing bootleg boosted concert cover covered covers demo documentary extended hour hours
    instrumental karaoke lesson live loop looped mashup medley megamix nightcore parody preview reaction rehearsal remix
    remixed reverb reversed ringtone session slowed snippet sped teaser tribute tutorial unplugged vivo
"""
_BESIDE = """
    4k album and audio bonus clip deluxe edit explicit feat featuring ft hd hq lyric lyrics m mix mono mv music of
    official original prod radio remaster remastered single stereo the topic track v version vevo video videoclip
    visualizer visualiser with x
"""

#: Words that say that it is another recording, as ``words`` has them.
OTHER = frozenset(_OTHER.split())

#: Words beside a title that say nothing about the recording.
_NEUTRAL = frozenset(_BESIDE.split())

#: What stands behind a song's own title: "(feat. A)", "[B]", " - Remastered 2011".
_BEHIND = re.compile(r"[(\[].*?[)\]]|\s[-\N{EN DASH}]\s.*")
_APOSTROPHE = re.compile("['\N{RIGHT SINGLE QUOTATION MARK}`]")


@dataclass(frozen=True, slots=True)
class Song:
    """What is wanted; ``seconds`` is 0 where it is not known."""

    title: str
    artists: tuple[str, ...]
    seconds: float = 0.0
    album: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A page that a search found; ``seconds`` is 0 where it is not known."""

    url: str
    title: str
    channel: str = ""
    seconds: float = 0.0


def best(song: Song, candidates: Iterable[Candidate]) -> tuple[Candidate, float] | None:
    """The one with the most points, the first of several, and these; None without any."""
    scored = [(candidate, score(song, candidate)) for candidate in candidates]
    return max(scored, key=lambda one: one[1], default=None)


def score(song: Song, candidate: Candidate) -> float:
    """Points: 105 at most, and below 0 for what has nothing to do with it."""
    here, channel = words(candidate.title), words(candidate.channel)
    own = words(song.title)
    artists = [words(artist) for artist in song.artists]
    wanted = _wanted(song.title)
    points = _TITLE * _share(wanted, here)
    if artists:
        first, others = artists[0], artists[1:]
        main = _named(first, here, channel)
        rest = sum(_named(one, here, channel) for one in others) / len(others) if others else main
        points += _ARTISTS * (_FIRST * main + (1 - _FIRST) * rest)
    if song.seconds and candidate.seconds:
        points += max(-_LENGTH, _LENGTH - abs(song.seconds - candidate.seconds))
    else:
        points += _LENGTH / 2
    known = set(own).union(*artists)
    lost = sum(1 for word in wanted if word.isdigit() and word not in here)  # "Part 1" is not "Part 2"
    points -= _OTHER_RECORDING * (_other_recordings(own, here, known, channel) + lost)
    expected = known | _NEUTRAL | OTHER | set(words(song.album)) | set(channel)
    unexpected = sum(1 for word in set(here) if word not in expected and not word.isdigit())
    points -= min(_MOST_UNEXPECTED, _UNEXPECTED * unexpected)
    if channel[-1:] == ["topic"] or " official audio " in f" {' '.join(here)} ":
        points += _OFFICIAL
    return points


def words(text: str) -> list[str]:
    """The words of a text, without accents, apostrophes and capitals; "beyoncé's" is "beyonces"."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    plain = _APOSTROPHE.sub("", plain).casefold()
    # Vowels that are marks (of Hindi, Thai ...) belong to the word that they stand in.
    return "".join(c if c.isalnum() or unicodedata.category(c)[0] == "M" else " " for c in plain).split()


def _wanted(title: str) -> list[str]:
    """The words that a title is known by: those behind it only if they say which recording it is."""
    core = words(_BEHIND.sub(" ", title))
    behind = [word for part in _BEHIND.findall(title) for word in words(part)]
    if OTHER.intersection(behind):
        core += [word for word in behind if word not in _NEUTRAL and not word.isdigit()]
    return core or words(title)


def _share(wanted: list[str], here: list[str]) -> float:
    """How many of the words are there."""
    there, text = set(here), " ".join(here)
    # Where words are not written apart, a title is found within another word.
    found = [word for word in wanted if word in there or (not word.isascii() and len(word) > 1 and word in text)]
    return len(found) / len(wanted) if wanted else 0.0


def _named(artist: list[str], title: list[str], channel: list[str]) -> float:
    """How much of an artist's name is in the title, or whether the channel has it, as in "ArtistVEVO"."""
    joined = "".join(artist)
    if len(joined) > 2 and joined in "".join(channel):
        return 1.0
    return max(_share(artist, title), _share(artist, channel))


def _other_recordings(own: list[str], here: list[str], known: set[str], channel: list[str]) -> int:
    """How many words say that it is another recording than that of the song."""
    mine, theirs = Counter(own), Counter(here)
    more = sum(1 for word in OTHER if theirs[word] > mine[word] and (word in mine or word not in known))
    less = sum(1 for word in OTHER if mine[word] > theirs[word])
    by_trade = bool({"karaoke", "covers", "cover", "tribute", "nightcore"}.intersection(channel) - known)
    return max(more, int(by_trade)) + less
