"""What tests share: the recording's rules, and a real model server where the live group is installed."""

import json
import os
from urllib.parse import urlsplit, urlunsplit

import pytest
from hypothesis import HealthCheck, settings

from tests import model_server as server

settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")  # a busy machine is no reason to fail

RECORDED_HOST = "127.0.0.1:8080"
"""What stands in the cassettes in place of the port that the recording happened to have."""


@pytest.fixture(scope="module")
def vcr_config():
    return {
        "match_on": ["method", "path", "body"],
        "allow_playback_repeats": False,
        "decode_compressed_response": True,
        "before_record_request": _scrub_request,
        "before_record_response": _scrub_response,
    }


def _scrub_request(request):
    parts = urlsplit(request.uri)
    request.uri = urlunsplit(parts._replace(netloc=RECORDED_HOST))
    kept = {"content-type", "accept"}
    request.headers = {name: value for name, value in request.headers.items() if name.lower() in kept}
    return request


def _scrub_response(response):
    kept = {"content-type", "retry-after"}
    response["headers"] = {name: value for name, value in response["headers"].items() if name.lower() in kept}
    return response


@pytest.fixture(autouse=True)
def _whole_cassette(request):
    """A recorded test uses all of its cassette: an answer nobody asks for is a request that is no longer sent."""
    if request.node.get_closest_marker("vcr") is None:
        yield
        return
    cassette = request.getfixturevalue("vcr")
    yield
    if request.config.getoption("--record-mode") in (None, "none"):
        assert cassette.all_played, f"{cassette.play_count} of {len(cassette)} recorded answers were used"


@pytest.fixture
def recorded_url():
    """The base URL for recorded tests: the server of ``make record``, else one that exists in the cassettes only."""
    return os.environ.get("CLASSIFIER_RECORD_URL", f"http://{RECORDED_HOST}/v1")


@pytest.fixture(scope="session")
def model_server():
    """The base URL of a real model server on loopback; skips where the live group is not installed."""
    reason = server.missing()
    if reason:
        pytest.skip(reason)
    with server.running() as url:
        yield url


def sent_bodies(cassette):
    """The JSON bodies in a cassette, in order."""
    return [json.loads(request.body) for request in cassette.requests]


def contents(cassette):
    """The raw answers in a cassette, in order."""
    return [json.loads(r["body"]["string"])["choices"][0]["message"]["content"] for r in cassette.responses]
