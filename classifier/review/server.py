"""The review page: a small web application for one person on this machine.

Starlette and uvicorn: the framework and server that need least beside what openai already brings in (anyio, h11),
and Starlette has the host check; pages are rendered here, so that the page works with few lines of JavaScript.

What protects it: it listens on 127.0.0.1 only; every address begins with a random token, so no other page can name
one; the Host header must be this machine (else a DNS name that is pointed here could read the page); a request that
changes something must come from this page's own origin; the Content-Security-Policy lets nothing else in.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Awaitable, Callable
from importlib.resources import files

import uvicorn
from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.applications import Starlette
from starlette.datastructures import FormData
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Mount, Route

from classifier.errors import ClassifierError, SettingsError, StoreError
from classifier.review.form import EvidenceFields, Form, FormError, read_form
from classifier.review.session import Session
from classifier.review.texts import visible
from classifier.review.view import frame, work_page

HOST = "127.0.0.1"
MOST_BYTES = 200_000
"""Largest form that is read: a note, and evidence of a long passage."""

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "same-origin",  # no-referrer would make browsers send `Origin: null` with our own forms
    "X-Content-Type-Options": "nosniff",
}
_ASSETS = {"review.css": "text/css", "review.js": "text/javascript"}


def new_token() -> str:
    """A token nobody guesses: 192 random bits, fit for a URL."""
    return secrets.token_urlsafe(24)


def build_app(session: Session, token: str) -> Starlette:
    """The application for one session; everything lies under ``/<token>/``."""
    pages = Pages(session, f"/{token}")
    routes = [
        Route("/", pages.start),
        Route("/done", pages.done),
        Route("/work/{number:int}", pages.show),
        Route("/work/{number:int}", pages.decide, methods=["POST"]),
        Route("/undo", pages.undo, methods=["POST"]),
        Route("/assets/{name}", asset),
    ]
    return Starlette(
        routes=[Mount(f"/{token}", routes=routes)],
        middleware=[
            Middleware(BaseHTTPMiddleware, dispatch=_guard),
            Middleware(TrustedHostMiddleware, allowed_hosts=[HOST, "localhost"], www_redirect=False),
        ],
        exception_handlers={ClassifierError: _failed},
    )


async def _guard(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    """Refuse what does not come from the page itself, and give every answer the headers."""
    refused = _refusal(request) if request.method not in ("GET", "HEAD") else None
    response = await call_next(request) if refused is None else refused
    response.headers.update(HEADERS)
    return response


async def _failed(request: Request, error: Exception) -> Response:
    """One clear line; what was saved before is safe in the log."""
    return PlainTextResponse(f"error: {error}", 500)


def _refusal(request: Request) -> Response | None:
    own = {f"http://{request.headers.get('host', '')}"}
    if request.headers.get("origin", next(iter(own))) not in own:
        return PlainTextResponse("refused: the request comes from another page", 403)
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return PlainTextResponse("refused: the request comes from another site", 403)
    length = request.headers.get("content-length", "")
    if not length.isdigit():
        return PlainTextResponse("refused: the length of the form is not given", 411)
    return PlainTextResponse("refused: the form is too large", 413) if int(length) > MOST_BYTES else None


async def asset(request: Request) -> Response:
    """The style sheet and the script."""
    name = request.path_params["name"]
    if name not in _ASSETS:
        return PlainTextResponse("not found", 404)
    content = files("classifier.review").joinpath("assets", name).read_bytes()
    return Response(content, media_type=_ASSETS[name])


class Pages:
    """The pages of one session. Handlers run one after the other on the event loop; each is a few milliseconds."""

    def __init__(self, session: Session, base: str) -> None:
        self._session, self._base, self._notice = session, base, ""
        self._templates = Environment(
            loader=PackageLoader("classifier.review"), autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True,
        )  # fmt: skip
        self._templates.filters["visible"] = visible

    async def start(self, request: Request) -> Response:
        """To the first work without a decision."""
        self._session.log.refresh()
        return self._go_on(0)

    def _go_on(self, number: int) -> Response:
        following = self._session.next_after(number)
        return self._go(f"/work/{following}" if following else "/done")

    def _go(self, path: str) -> Response:
        return RedirectResponse(self._base + path, 303)

    async def show(self, request: Request) -> Response:
        """One work."""
        number = self._number(request)
        if number is None:
            return PlainTextResponse("no such work", 404)
        self._session.log.refresh()
        self._session.opened(self._session.queue[number - 1])
        return self._page(number)

    def _number(self, request: Request) -> int | None:
        number: int = request.path_params["number"]
        return number if 1 <= number <= len(self._session.queue) else None

    def _page(self, number: int, form: Form | None = None, problems: dict[str, str] | None = None) -> Response:
        page = work_page(self._session, number, form, problems)
        return self._render("work.html.j2", 422 if problems else 200, page=page)

    def _render(self, name: str, status: int = 200, **values: object) -> Response:
        notice, self._notice = self._notice, ""
        around = frame(self._session, self._base, notice)
        return HTMLResponse(self._templates.get_template(name).render(frame=around, **values), status)

    async def decide(self, request: Request) -> Response:
        """Save or skip one work, and go on to the next."""
        number = self._number(request)
        if number is None:
            return PlainTextResponse("no such work", 404)
        sent = await request.form(max_files=0, max_fields=50)
        form = _form(sent)
        try:
            self._session.log.refresh()
            self._record(number, form, skipped=sent.get("action") == "skip")
        except FormError as error:
            return self._page(number, form, error.problems)
        except StoreError as error:
            return self._page(number, form, {"form": f"Nothing was saved. {error}"})
        return self._go_on(number)

    def _record(self, number: int, form: Form, *, skipped: bool) -> None:
        key = self._session.queue[number - 1]
        if skipped:
            self._session.skip(key)
            return
        work = self._session.run.results[key].citing
        self._session.save(key, read_form(form, work, adjudicating=self._session.settings.adjudicate))

    async def undo(self, request: Request) -> Response:
        """Withdraw the last decision and show its work again."""
        self._session.log.refresh()
        key = self._session.undo()
        number = None if key is None else self._session.place(key)
        self._notice = "Nothing to undo." if number is None else "The last decision was withdrawn."
        return self._go("/" if number is None else f"/work/{number}")

    async def done(self, request: Request) -> Response:
        """The end of the queue."""
        self._session.log.refresh()
        done = self._session.done()
        skipped = [
            (place, self._session.run.results[key].citing.title)
            for place, key in enumerate(self._session.queue, 1)
            if key in done and done[key].label is None
        ]
        return self._render("done.html.j2", skipped=skipped)


def _form(sent: FormData) -> Form:
    def text(name: str) -> str:
        return str(sent.get(name, ""))

    evidence = EvidenceFields(*(text(f"evidence_{part}") for part in EvidenceFields._fields))
    others = tuple(str(value) for value in sent.getlist("other_roles"))
    return Form(text("role"), others, text("polarity"), text("basis"), bool(sent.get("shared")), text("note"), evidence)


def listen(port: int) -> socket.socket:
    """A socket on 127.0.0.1; port 0 takes a free one. Raises ``SettingsError`` where the port is taken."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    if os.name == "posix":  # elsewhere the option would let another program take the port over
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
        made.listen(64)  # the address is printed now: who comes before the server runs waits, and is not refused
    except (OSError, OverflowError) as error:
        made.close()
        raise SettingsError(f"--port {port} cannot be used: {error}; leave it out to get a free one") from error
    return made


def serve(app: Starlette, on: socket.socket) -> None:
    """Serve until Ctrl-C (or SIGTERM). No access log: it would hold the token."""
    config = uvicorn.Config(app, http="h11", ws="none", lifespan="off", log_level="warning", access_log=False,
                            server_header=False, timeout_graceful_shutdown=2)  # fmt: skip
    with contextlib.suppress(KeyboardInterrupt):  # how uvicorn passes Ctrl-C on after it has shut down
        uvicorn.Server(config).run(sockets=[on])
