"""A real HTTP server on loopback that plays recorded or written answers to the real clients."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

import yaml


class Reply(NamedTuple):
    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = {}


class Request(NamedTuple):
    path: str
    query: dict[str, str]
    headers: dict[str, str]


Handler = Callable[[Request], Reply | None]


class ReplayServer:
    """Answers with the first handler that knows the request; ``requests`` is the log in order."""

    def __init__(self, *handlers: Handler) -> None:
        self.handlers = list(handlers)
        self.requests: list[Request] = []
        server = self

        class _Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = {name: values[0] for name, values in parse_qs(parts.query).items()}
                request = Request(unquote(parts.path), query, {k.lower(): v for k, v in self.headers.items()})
                server.requests.append(request)
                replies = (handler(request) for handler in server.handlers)
                reply = next((r for r in replies if r is not None), Reply(b'{"error": "no such recording"}', 404))
                self.send_response(reply.status)
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply.body)))
                self.end_headers()
                self.wfile.write(reply.body)

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                self.do_GET()

            def log_message(self, *_: Any) -> None:
                """Keep stderr clean."""

        class _Server(ThreadingHTTPServer):
            def handle_error(self, *_: Any) -> None:
                """A client that was killed on purpose is no error."""

        self._http = _Server(("127.0.0.1", 0), _Handler)
        self._http.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._http.server_port}"
        self._thread = threading.Thread(target=self._http.serve_forever, daemon=True)

    def __enter__(self) -> ReplayServer:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()


def cassette(path: Path, *, match: tuple[str, ...] = ()) -> Handler:
    """Recorded interactions (VCR, Python or Ruby) as a handler: matched on path and the named query parameters."""
    recorded = yaml.safe_load(path.read_text(encoding="utf-8"))
    answers: dict[tuple[str, ...], Reply] = {}
    for item in recorded.get("interactions") or recorded.get("http_interactions"):
        parts = urlsplit(item["request"]["uri"])
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        response = item["response"]
        body = response.get("content") or (response.get("body") or {}).get("string") or b""
        status = response.get("status_code") or response["status"].get("code") or response["status"].get("status_code")
        encoded = (response.get("headers") or {}).get("Content-Encoding")
        headers = (
            {"Content-Encoding": "gzip"} if encoded and isinstance(body, bytes) and body[:2] == b"\x1f\x8b" else {}
        )
        key = (unquote(parts.path), *(query.get(name, "") for name in match))
        answers.setdefault(key, Reply(body if isinstance(body, bytes) else body.encode(), int(status), headers))

    def handle(request: Request) -> Reply | None:
        return answers.get((request.path, *(request.query.get(name, "") for name in match)))

    return handle


def fixed(path: str, reply: Reply) -> Handler:
    """One answer for one path."""
    return lambda request: reply if request.path == path else None
