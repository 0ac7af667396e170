"""The child process that writes tags and a cover into one file; the only file that imports mutagen.

Owns: which types of files have which tags. Never: imports the server's own code, or touches another file than the one
that it was told. It parses what came from strangers, so it has little memory and time, and no room for a larger file.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import resource
import sys
import threading
import time
import typing

#: What it may take: memory (bytes), processor time (seconds), and how much longer the file may become (bytes).
MEMORY, SECONDS, GROWTH = 512 << 20, 120, 16 << 20

#: How often its memory is looked at (seconds).
GLANCE = 0.05

#: How the tags are called in Vorbis comments and in MP4.
_VORBIS = {"track": "tracknumber", "title": "title", "artist": "artist", "album": "album", "date": "date",
           "comment": "comment"}  # fmt: skip
_MP4 = {"title": "\xa9nam", "artist": "\xa9ART", "album": "\xa9alb", "date": "\xa9day", "comment": "\xa9cmt"}

#: By how much a file may seem longer or shorter afterwards (seconds); mp3 is estimated.
_TREMBLE = 0.5

Tags = dict[str, str]


def mp4(file: typing.Any, tags: Tags, cover: bytes) -> None:
    """MP4, and what else is one."""
    from mutagen.mp4 import MP4Cover

    for name, key in _MP4.items():
        if name in tags:
            file[key] = [tags[name]]
    if "track" in tags:
        file["trkn"] = [(int(tags["track"]), 0)]
    if cover:
        kind = MP4Cover.FORMAT_PNG if _is_png(cover) else MP4Cover.FORMAT_JPEG
        file["covr"] = [MP4Cover(cover, kind)]
    file.save()


def mp3(file: typing.Any, tags: Tags, cover: bytes) -> None:
    """ID3 2.3, which all players read."""
    from mutagen import id3

    frames = {"title": id3.TIT2, "artist": id3.TPE1, "album": id3.TALB, "track": id3.TRCK, "date": id3.TDRC}
    for name, frame in frames.items():
        if name in tags:
            file.tags.add(frame(encoding=3, text=tags[name]))
    if "comment" in tags:
        file.tags.add(id3.COMM(encoding=3, lang="eng", desc="", text=tags["comment"]))
    if cover:
        file.tags.add(id3.APIC(encoding=3, mime=_type(cover), type=id3.PictureType.COVER_FRONT, data=cover))
    file.tags.update_to_v23()
    file.save(v2_version=3)


def ogg(file: typing.Any, tags: Tags, cover: bytes) -> None:
    """Vorbis comments in Ogg."""
    _comment(file, tags)
    if cover:
        file["metadata_block_picture"] = [base64.b64encode(_picture(cover).write()).decode()]
    file.save()


def flac(file: typing.Any, tags: Tags, cover: bytes) -> None:
    """FLAC, which has pictures of its own."""
    _comment(file, tags)
    if cover:
        file.clear_pictures()
        file.add_picture(_picture(cover))
    file.save()


#: What writes into a file with this ending, and what mutagen calls it: one of these, whatever else it may look like.
KINDS = {
    **dict.fromkeys(("m4a", "mp4", "m4v", "mov", "f4a"), (mp4, ("mp4.MP4",))),
    "mp3": (mp3, ("mp3.MP3",)),
    "opus": (ogg, ("oggopus.OggOpus",)),
    **dict.fromkeys(("ogg", "oga"), (ogg, ("oggopus.OggOpus", "oggflac.OggFLAC", "oggvorbis.OggVorbis"))),
    "flac": (flac, ("flac.FLAC",)),
}


def write(path: str, ext: str, tags: Tags, cover: bytes) -> None:
    """Tag the file. Raises what mutagen does, and ValueError if the file is another one afterwards."""
    tag, names = KINDS[ext]
    file = opened(path, names)
    if file.tags is None:
        file.add_tags()
    if tag is mp4 and anchored(path):
        raise ValueError("its fragments say where in the file they are, and they would be moved")
    before = file.info.length
    tag(file, tags, cover)
    if abs(opened(path, names).info.length - before) > _TREMBLE:
        raise ValueError("with tags it would not be what it was")


def anchored(path: str) -> bool:
    """Whether an MP4 has fragments, beside the first, with a base-data-offset (ISO/IEC 14496-12, 8.8.7): mutagen
    corrects that of the first one only."""
    from mutagen.mp4 import Atoms

    with open(path, "rb") as file:
        later = [atom for atom in Atoms(file).atoms if atom.name == b"moof"][1:]
        bodies = [head.read(file)[1] for atom in later for head in atom.findall(b"tfhd", True)]
    return any(body[3] & 1 for body in bodies if len(body) > 3)


def opened(path: str, names: typing.Sequence[str]) -> typing.Any:
    """The file as the first of these that takes it. Raises what the last one does."""
    import mutagen

    for name in names[:-1]:
        with contextlib.suppress(mutagen.MutagenError):
            return _kind(name)(path)
    return _kind(names[-1])(path)


def _kind(name: str) -> typing.Any:
    module, _, kind = name.partition(".")
    return getattr(importlib.import_module(f"mutagen.{module}"), kind)


def _comment(file: typing.Any, tags: Tags) -> None:
    for name, key in _VORBIS.items():
        if name in tags:
            file[key] = [tags[name]]


def _picture(cover: bytes) -> typing.Any:
    from mutagen.flac import Picture
    from mutagen.id3 import PictureType

    picture = Picture()
    picture.type, picture.mime, picture.data = PictureType.COVER_FRONT, _type(cover), cover
    return picture


def _is_png(cover: bytes) -> bool:
    return cover.startswith(b"\x89PNG")


def _type(cover: bytes) -> str:
    return "image/png" if _is_png(cover) else "image/jpeg"


def confine(path: str, more: int) -> None:
    """Give up what this process does not need; ``more`` bytes are written for sure."""
    for what, most in (
        (resource.RLIMIT_DATA, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, os.path.getsize(path) + more + GROWTH),
    ):
        with contextlib.suppress(OSError, ValueError):  # not every system has all of them
            resource.setrlimit(what, (most, most))
    threading.Thread(target=watch, daemon=True).start()


def watch() -> None:
    """End the process once it has had too much memory: macOS sets a limit, and keeps none."""
    most = _peak() + MEMORY  # Linux begins with that of the process which has started this one
    while _peak() < most:
        time.sleep(GLANCE)
    os.write(2, b"It takes too much memory.\n")
    os._exit(1)


def _peak() -> int:
    """The most memory that it has had so far (bytes)."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> int:
    """Do what standard input says; the reason why it could not be goes to the standard error."""
    try:
        told = json.loads(sys.stdin.buffer.read())
        cover = base64.b64decode(told["cover"])
        confine(told["path"], len(cover))
        write(told["path"], told["ext"], told["tags"], cover)
    except Exception as error:
        sys.stderr.write(f"{type(error).__name__}: {error}"[:300] + "\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
