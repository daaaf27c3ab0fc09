"""The pages and their answers over HTTP: read-only, for who has the token, under a local name alone."""

import hmac
import json
import mimetypes
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from congruence.errors import CongruenceError, InputError, quoted
from congruence.explore.shell import page_files, shell
from congruence.view import Answers, CellKey, Query

TOKEN = "x-congruence-token"
POLICY = (
    "default-src 'none'; script-src 'self'; style-src-elem 'self'; style-src-attr 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Resource-Policy": "same-origin",
}
WRONG_TOKEN = "wrong token: open the address that `congruence explore` printed"
_LONGEST = 300
"""Characters of a parameter."""


def application(answers: Answers, token: str, names: frozenset[str]) -> ASGIApp:
    """The server of one run.

    Args:
        answers: of the run.
        token: that every question about the run must carry.
        names: what the Host header may say, e.g. ``127.0.0.1:8000``; another name is one that somebody else
            made point here.
    """
    page, first_page, lock = page_files(), shell(answers.overview()), Lock()

    def trusted(request: Request) -> bool:
        given = request.headers.get(TOKEN) or request.query_params.get("token") or ""
        return hmac.compare_digest(given.encode(), token.encode())

    def first(request: Request) -> Response:
        if not trusted(request):
            return refused(403, WRONG_TOKEN)
        return Response(first_page, media_type="text/html", headers=HEADERS)

    def shown(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in page:
            return refused(404, f"there is no page {quoted(name, 80)}")
        kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
        return Response(page[name], media_type=kind, headers=HEADERS)

    def answered(request: Request) -> Response:
        if not trusted(request):
            return refused(403, WRONG_TOKEN)
        about = QUESTIONS.get(request.path_params["about"])
        if about is None:
            return refused(404, f"there is no answer {quoted(request.path_params['about'], 80)}")
        try:
            with lock:
                return as_json(200, about(answers, _fields(request)))
        except InputError as error:
            return refused(400, str(error))
        except CongruenceError as error:
            return refused(409, str(error))

    routes = [
        Route("/api/{about}", answered, methods=["GET"]),
        Route("/", first, methods=["GET"]),
        Route("/{name:path}", shown, methods=["GET"]),
    ]
    return UnderItsName(Starlette(routes=routes), names)


class UnderItsName:
    """Refuses what was sent to another name: a page elsewhere may have made its own name point here.

    Args:
        app: answers the rest.
        names: what the Host header may say.
    """

    def __init__(self, app: ASGIApp, names: frozenset[str]) -> None:
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            hosts = [value.decode("latin-1") for name, value in scope["headers"] if name == b"host"]
            if len(hosts) != 1 or hosts[0].casefold() not in self.names:
                await refused(421, "wrong Host: open the address that was printed")(scope, receive, send)
                return
        await self.app(scope, receive, send)


def as_json(status: int, value: Any) -> Response:
    """A value as JSON; half a surrogate pair, which UTF-8 can't hold, becomes a question mark."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    content = text.encode("utf-8", "replace")
    return Response(content, status, media_type="application/json", headers=HEADERS)


def refused(status: int, why: str) -> Response:
    """One line that says why."""
    return as_json(status, {"error": why})


def _fields(request: Request) -> dict[str, str]:
    fields = dict(request.query_params)
    if long := [name for name, value in fields.items() if len(value) > _LONGEST]:
        raise InputError(f"{quoted(long[0], 40)} is longer than {_LONGEST} characters: shorten it")
    return fields


def _query(fields: Mapping[str, str]) -> Query:
    return Query(
        search=fields.get("search", ""),
        sort=fields.get("sort", "interest"),
        descending=fields.get("descending", "true") not in ("false", "0"),
        offset=_number(fields, "offset", "0"),
        limit=_number(fields, "limit", "50"),
        kept=fields.get("kept", "kept"),
    )


def _number(fields: Mapping[str, str], name: str, default: str | None = None) -> int:
    given = fields.get(name, default)
    if given is None or not given.isascii() or not given.isdigit() or len(given) > 12:
        raise InputError(f"{name}={quoted(str(given), 40)} is no number from 0 on: give one")
    return int(given)


Question = Callable[[Answers, Mapping[str, str]], Any]
QUESTIONS: dict[str, Question] = {
    "overview": lambda answers, _: answers.overview(),
    "cell": lambda answers, given: answers.cell(CellKey.of(given)),
    "matches": lambda answers, given: answers.matches(CellKey.of(given), _query(given)),
    "pair": lambda answers, given: answers.pair(
        CellKey.of(given), _number(given, "feature_a"), _number(given, "feature_b")
    ),
    "map": lambda answers, given: answers.map(CellKey.of(given)),
    "concepts": lambda answers, _: answers.concepts(),
    "unmatched": lambda answers, given: answers.unmatched(CellKey.of(given), given.get("side", "")),
}
"""What may be asked under /api/, by name."""
