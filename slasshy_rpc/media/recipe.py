"""What has to be done to the parts of a page so that they are the file that was asked for.

Owns: which part is the sound, what type of file it fits in, and what ffmpeg is told about streams. Never: input or
output, or a remote word in a command line.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from slasshy_rpc.media.labels import TAGGED
from slasshy_rpc.media.plan import DEMUXERS, MERGED, Media, Part

#: What a file may be made into, and what ffmpeg calls it.
MUXERS = {
    **MERGED,
    **{name: name for name in ("mp3", "opus", "flac", "ogg")},
}

#: What a kind of sound is encoded with. Where bits are lost, more are kept than people hear missing.
_ENCODERS = {
    "mp3": ("libmp3lame", "-q:a", "2"),
    "m4a": ("aac", "-b:a", "192k"),
    "opus": ("libopus", "-b:a", "160k"),
    "flac": ("flac",),
}

#: What sound fits in which type of file as it is; all of it in mka. "mp4a" is AAC, as RFC 6381 writes it.
_TYPES = {"aac": "m4a", "mp4a": "m4a", "alac": "m4a", "opus": "opus", "vorbis": "ogg", "mp3": "mp3", "flac": "flac"}

#: The same where the page does not say what sound it is, by how ffmpeg reads the file.
_LIKELY = {"mov": "m4a", "matroska": "mka"}

#: Types of files that hold sound only.
_SOUND = frozenset(("m4a", "f4a", "weba", "mka", "oga", "ogg", "opus", "mp3", "aac", "flac", "wav"))


@dataclass(frozen=True, slots=True)
class Recipe:
    """A file of type ``ext`` is made of the parts: ``streams`` are ffmpeg's words for which, and as what.

    ``encoded``: with much work. ``task``: what it is, for people, and what they may do ``otherwise``.
    ``loose``: fragments need no more than to stand one behind the other.
    """

    ext: str
    streams: tuple[str, ...]
    task: str
    encoded: bool = False
    otherwise: str = ""
    loose: bool = False


def cook(media: Media, sound: str, *, tagged: bool = False) -> tuple[Media, Recipe | None]:
    """What is to be fetched and under which name, and what is made of it; None if it is the file as it comes.

    ``sound``: '' for video, too; "keep" for the sound as it is, or the type that it is to have, a key of _ENCODERS.
    ``tagged``: sound is put into a type of file that takes tags, if there is one for it as it is.
    """
    if not sound:
        if len(media.parts) == 1:
            return media, together(media.ext) if media.parts[0].fragmented else None
        streams = ("-map", "0:v:0", "-map", "1:a:0", "-c", "copy")
        otherwise = "take them as two files: --media-merge=off"
        return media, Recipe(media.ext, streams, "merge video and audio", otherwise=otherwise)
    alone = [part for part in media.parts if _without_video(part)]
    part = alone[0] if alone else media.parts[-1]
    codec = part.sound.partition(".")[0].lower()
    fits = _TYPES.get(codec) or _LIKELY.get(DEMUXERS[part.ext], "mka")
    taggable = not tagged or part.ext in TAGGED or codec not in _TYPES
    if alone and not part.fragmented and (sound == part.ext or (sound == "keep" and taggable)):
        return _named(media, part, part.ext), None
    words = ["-map", "0:a:0", "-vn", "-sn", "-dn", "-c:a"]
    if sound in ("keep", _TYPES.get(codec)):
        task = "put the sound into a file of its own"
        return _named(media, part, fits), Recipe(fits, (*words, "copy"), task)
    task = f"convert the sound to {sound}"
    return _named(media, part, sound), Recipe(sound, (*words, *_ENCODERS[sound]), task, encoded=True)


def together(ext: str) -> Recipe:
    """Fragments become a file of type ``ext``."""
    return Recipe(ext, ("-map", "0:v:0?", "-map", "0:a:0?", "-c", "copy"), "put the media together", loose=True)


def _without_video(part: Part) -> bool:
    return part.video == "none" or (not part.video and part.ext in _SOUND)


def _named(media: Media, part: Part, ext: str) -> Media:
    stem, dot, _ = media.name.rpartition(".")
    return replace(media, name=f"{stem if dot else media.name}.{ext}", parts=(part,))
