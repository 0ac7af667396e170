"""The worker process and whoever asks it: one answer a question, whatever happens in between."""

from __future__ import annotations

import ast
import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from slasshy_rpc.errors import DownloadError
from slasshy_rpc.media import pool, worker
from slasshy_rpc.media.pool import Workers
from slasshy_rpc.media.worker import covers, settings, tags
from tests.support.media import PLUGINS, page, whole
from tests.support.origin import Origin

PACKAGE = Path(pool.__file__).parents[1]


@pytest.fixture
async def workers() -> AsyncIterator[Workers]:
    found = Workers(str(PLUGINS))
    yield found
    await found.close()


def question(url: str) -> dict[str, object]:
    return {"ask": "extract", "url": url, "options": {}}


@pytest.mark.parametrize(("module", "only"), [("yt_dlp", "worker"), ("mutagen", "scribe")])
def test_only_a_process_of_its_own_imports_it(module: str, only: str) -> None:
    importing = set()
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            else:
                names = [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            if any(name.split(".")[0] == module for name in names):
                importing.add(path.relative_to(PACKAGE).as_posix())
    assert importing == {f"media/{only}.py"}


def test_what_is_told_for_tags() -> None:
    info = {
        "title": "T",
        "channel": "The Lamps - Topic",
        "upload_date": "20240501",
        "webpage_url": "http://x.test/w?v=1",
        "extractor_key": "Generic",
    }
    found = tags(info)
    assert (found["title"], found["artist"], found["date"]) == ("T", "The Lamps", "2024-05-01")
    assert found["comment"] == "http://x.test/w"  # in the query of any page there may be a secret
    more = {"track": "Song", "artist": "A", "release_date": "19990102", "extractor_key": "Youtube"}
    found = tags({**info, **more})
    assert (found["title"], found["artist"], found["date"]) == ("Song", "A", "1999-01-02")
    assert found["comment"] == "http://x.test/w?v=1"
    assert not any(tags({}).values())


def test_pictures_that_are_told() -> None:
    urls = [f"http://x.test/{n}" for n in ("small.jpg", "a.webp", "b", "c.svg?x=.jpg", "best.png?s=1")]
    found = covers({"thumbnails": [*({"url": url} for url in urls), {"id": "none"}]})
    assert found == ["http://x.test/best.png?s=1", "http://x.test/b", "http://x.test/small.jpg"]


async def test_a_search_that_is_none_is_an_answer(workers: Workers) -> None:
    asked = {"ask": "search", "key": "nosuchsearch", "query": "x", "count": 3, "options": {}}
    assert (await workers.ask(asked, 30))["kind"] == "unsupported"


def test_a_question_sets_nothing_else() -> None:
    asked = settings({"proxy": "http://p.test", "exec": "rm", "cachedir": "/", "plugin_dirs": ["/"], "format": None})
    assert asked["proxy"] == "http://p.test"
    assert asked["cachedir"] is False
    assert not {"exec", "exec_cmd", "plugin_dirs", "format"} & set(asked)


async def test_prints_do_not_break_the_pipe(workers: Workers, origin: Origin) -> None:
    url = page(origin, "one", whole(origin.url("/v.mp4")))
    for _ in range(2):
        found = await workers.ask(question(url), 30)
        assert (found["kind"], found["name"]) == ("video", "One [one].mp4")


async def test_what_was_typed_may_be_no_utf_8(workers: Workers) -> None:
    assert (await workers.ask({"ask": "versions", "typed": "\udcff"}, 30))["yt_dlp"]


async def test_half_a_character_in_a_title_keeps_nobody_from_the_media(workers: Workers, origin: Origin) -> None:
    """Sites cut titles at a number of UTF-16 units."""
    answer = await workers.ask(question(page(origin, "one", whole(origin.url("/v.mp4")), title="cut \ud83d")), 30)
    assert (answer["kind"], answer["title"], answer["name"]) == ("video", "cut ?", "cut \uff1f [one].mp4")


async def test_too_slow_a_page_is_given_up_and_the_next_is_not(workers: Workers, origin: Origin) -> None:
    with pytest.raises(DownloadError, match="media-timeout") as caught:
        await workers.ask(question(origin.url("/watch/hang")), 0.5)
    assert caught.value.code == 2
    assert (await workers.ask(question(origin.url("/watch/drm")), 30))["kind"] == "drm"


async def test_a_dead_worker_is_replaced(workers: Workers, origin: Origin) -> None:
    with pytest.raises(DownloadError, match="ended without"):
        await workers.ask(question(origin.url("/watch/crash")), 30)
    assert (await workers.ask(question(origin.url("/watch/geo")), 30))["kind"] == "geo"


async def test_cancelled_it_is_gone(workers: Workers, origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    started = asyncio.get_running_loop().create_future()
    spawn = asyncio.create_subprocess_exec

    async def noted(*arguments: str, **how: object) -> asyncio.subprocess.Process:
        worker = await spawn(*arguments, **how)  # type: ignore[arg-type]
        started.set_result(worker)
        return worker

    monkeypatch.setattr(asyncio, "create_subprocess_exec", noted)
    asking = asyncio.create_task(workers.ask(question(origin.url("/watch/hang")), 30))
    worker = await asyncio.wait_for(started, 10)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert worker.returncode == -9
    with pytest.raises(ProcessLookupError):
        os.kill(worker.pid, 0)


async def test_an_idle_worker_is_ended(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    ended = asyncio.Event()
    end = pool._end

    async def noted(worker: asyncio.subprocess.Process) -> None:
        await end(worker)
        ended.set()

    monkeypatch.setattr(pool, "_end", noted)
    workers = Workers(str(PLUGINS), idle=0.01)
    await workers.ask(question(origin.url("/watch/drm")), 30)
    await asyncio.wait_for(ended.wait(), 10)


async def test_no_plug_ins_unless_allowed(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PLUGINS / "loop"))
    workers = Workers()
    try:
        asked = {**question(origin.url("/watch/drm")), "options": {"generic": False}}
        assert (await workers.ask(asked, 30))["kind"] == "unsupported"
    finally:
        await workers.close()


def test_a_trusted_authority_is_one_questions_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/system.pem")
    monkeypatch.setattr(worker, "_AUTHORITIES", "/system.pem")
    asked = []

    def seen(url: str, given: dict[str, object]) -> dict[str, object]:
        asked.append(os.environ["SSL_CERT_FILE"])
        return {}

    monkeypatch.setattr(worker, "extract", seen)
    for authority in ("/mine.pem", None):
        line = json.dumps({"ask": "extract", "url": "http://x.test/", "options": {"authority": authority}})
        assert worker.answer(line.encode()) == {}
    assert asked == ["/mine.pem", "/system.pem"]
    monkeypatch.setattr(worker, "_AUTHORITIES", None)
    monkeypatch.setattr(worker, "versions", lambda named: {})
    worker.answer(b'{"ask": "versions"}')
    assert "SSL_CERT_FILE" not in os.environ


def test_a_clients_certificate_is_yt_dlps_too() -> None:
    asked = settings({"certificate": "/me.pem", "private_key": "/me.key", "authority": "/ca.pem"})
    assert (asked["client_certificate"], asked["client_certificate_key"]) == ("/me.pem", "/me.key")
    assert asked["compat_opts"] == {"no-certifi"}
    assert settings({})["compat_opts"] == set()
