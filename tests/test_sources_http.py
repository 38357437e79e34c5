import json
import logging
import sqlite3
import time

import pytest

from classifier.errors import SettingsError, SourceError
from classifier.sources import europepmc
from classifier.sources.cache import SourceCache
from classifier.sources.http import SourceClient, TemporaryError, retry_after
from classifier.sources.settings import Host, SourceSettings
from tests.replay_server import ReplayServer, Reply

SECRET = "sk-very-secret-0123456789"  # noqa: S105 - made up, so that its way can be followed


@pytest.fixture
def cache(tmp_path):
    store = SourceCache(tmp_path / "cache.sqlite")
    yield store
    store.close()


@pytest.fixture
def client(cache):
    http = SourceClient(cache, timeout=5, tries=3)
    yield http
    http.close()


def in_turn(*replies):
    left = list(replies)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


def test_an_answer_is_asked_for_once_and_carries_its_date(client):
    with ReplayServer(lambda _: Reply(b'{"a": 1}')) as server:
        host = Host("s", server.url)
        first = client.get(host, "/x", {"q": "1"})
        second = client.get(host, "/x", {"q": "1"})
        assert first.json() == second.json() == {"a": 1}
        assert second.retrieved_at == first.retrieved_at != ""
        client.get(host, "/x", {"q": "2"})
    assert len(server.requests) == client.requests == 2


def test_404_is_an_answer_and_is_remembered(client):
    with ReplayServer(lambda _: Reply(b"<html>gone</html>", 404)) as server:
        assert [client.get(Host("s", server.url), "/x").status for _ in range(2)] == [404, 404]
    assert len(server.requests) == 1


def test_retry_after_is_obeyed_and_failures_are_not_stored(client):
    with ReplayServer(in_turn(Reply(b"", 429, {"Retry-After": "1"}), Reply(b"[]"))) as server:
        start = time.monotonic()
        assert client.get(Host("s", server.url), "/x").json() == []
        assert time.monotonic() - start >= 1
    assert len(server.requests) == 2


def test_a_pause_that_is_too_long_is_said_and_not_waited_for(client):
    with (
        ReplayServer(lambda _: Reply(b'{"message": "quota"}', 429, {"Retry-After": "86400"})) as server,
        pytest.raises(SourceError, match=r'HTTP 429 \("quota"\); asks to wait 86400 s'),
    ):
        client.get(Host("s", server.url), "/x")
    assert len(server.requests) == 1


def test_tries_end(client):
    with (
        ReplayServer(lambda _: Reply(b"", 503, {"Retry-After": "0"})) as server,
        pytest.raises(TemporaryError, match="HTTP 503"),
    ):
        client.get(Host("s", server.url), "/x")
    assert len(server.requests) == 3


def test_nobody_there_is_one_line(cache):
    client = SourceClient(cache, timeout=1, tries=1)
    with pytest.raises(SourceError, match="connection failed"):
        client.get(Host("s", "http://127.0.0.1:9"), "/x")
    client.close()


@pytest.mark.parametrize("place", [{"key_header": "x-api-key"}, {"key_parameter": "api_key"}])
def test_a_key_goes_to_the_service_and_nowhere_else(tmp_path, client, caplog, capfd, place):
    caplog.set_level(logging.DEBUG)
    settings = SourceSettings(S2_API_KEY=SECRET)
    assert SECRET not in repr(settings)
    with ReplayServer(in_turn(Reply(b'{"ok": 1}'), Reply(b'{"error": "no"}', 400))) as server:
        host = Host("s", server.url, key=settings.s2_api_key, **place)
        client.get(host, "/x")
        with pytest.raises(SourceError) as error:
            client.get(host, "/y")
    sent = server.requests[0]
    assert SECRET in (sent.headers.get("x-api-key"), sent.query.get("api_key"))
    assert SECRET not in str(error.value)
    assert SECRET not in caplog.text + "".join(capfd.readouterr())
    for file in tmp_path.iterdir():
        assert SECRET.encode() not in file.read_bytes()


def test_the_same_question_with_another_key_is_not_asked_again(client):
    with ReplayServer(lambda _: Reply(b"{}")) as server:
        for secret in ("one", "two"):
            key = SourceSettings(S2_API_KEY=secret).s2_api_key
            client.get(Host("s", server.url, key=key, key_header="x-api-key"), "/x")
    assert len(server.requests) == 1


def test_a_refused_key_is_a_settings_error(client):
    with ReplayServer(lambda _: Reply(b'{"message": "Forbidden"}', 403)) as server:
        key = SourceSettings(S2_API_KEY="bad").s2_api_key
        with pytest.raises(SettingsError, match="the key was refused"):
            client.get(Host("s", server.url, key=key, key_header="x-api-key"), "/x")
        with pytest.raises(SourceError, match="needs a key"):
            client.get(Host("s", server.url), "/y")


def test_two_requests_keep_the_interval_over_two_clients(tmp_path):
    with ReplayServer(lambda _: Reply(b"{}")) as server:
        start = time.monotonic()
        for path in ("/a", "/b", "/c"):
            cache = SourceCache(tmp_path / "c.sqlite")
            client = SourceClient(cache)
            client.get(Host("arxiv", server.url, 0.3), path)
            client.close()
            cache.close()
        assert time.monotonic() - start >= 0.6


def test_a_clock_that_was_set_back_does_not_block(cache, tmp_path):
    with sqlite3.connect(tmp_path / "cache.sqlite") as db:
        db.execute("INSERT INTO hosts VALUES ('h', ?)", (time.time() + 1e6,))
    db.close()
    assert cache.reserve("h", 3.0) <= 3.0


def test_an_error_that_comes_as_200_is_raised_and_not_stored(client):
    body = json.dumps({"version": "6.9", "errCode": 404, "errMsg": "No such record"}).encode()
    with ReplayServer(lambda _: Reply(body)) as server:
        host = europepmc.host(SourceSettings(europepmc_url=server.url))
        for _ in range(2):
            with pytest.raises(SourceError, match="error 404: No such record"):
                client.get(host, "/MED/1/citations", check=europepmc._no_error)
    assert len(server.requests) == 2


def test_html_instead_of_json_is_one_line(client):
    with ReplayServer(lambda _: Reply(b"<!doctype html><p>We moved")) as server:
        answer = client.get(Host("s", server.url), "/x")
    with pytest.raises(SourceError, match="answered with an HTML page") as error:
        answer.json()
    assert "\n" not in str(error.value)


def test_offline_uses_the_cache_only(cache):
    with ReplayServer(lambda _: Reply(b"1")) as server:
        online = SourceClient(cache)
        online.get(Host("s", server.url), "/x")
        offline = SourceClient(cache, offline=True)
        assert offline.get(Host("s", server.url), "/x").json() == 1
        with pytest.raises(SourceError, match="--offline"):
            offline.get(Host("s", server.url), "/y")
        online.close()
        offline.close()
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("value", "seconds"), [("7", 7.0), ("", None), ("Wed, 21 Oct 2015 07:28:00 GMT", 0.0), ("soon", None)]
)
def test_retry_after_in_both_forms(value, seconds):
    assert retry_after({"retry-after": value} if value else {}) == seconds
