"""A server that speaks S3 over HTTP, and a way to it that fails as networks do."""

import http.client
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

SLOW_DOWN = b"""<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"""
REFUSED = """<?xml version="1.0" encoding="UTF-8"?>
<Error><Code>{code}</Code><Message>{message}</Message></Error>"""
REASONS = {
    "AccessDenied": "Access Denied",
    "InvalidAccessKeyId": "The AWS Access Key Id you provided does not exist in our records.",
    "SignatureDoesNotMatch": "The request signature we calculated does not match the signature you provided.",
    "ExpiredToken": "The provided token has expired.",
    "AllAccessDisabled": "All access to this object has been disabled",
    "AccountProblem": "There is a problem with your account.",
    "RequestTimeTooSkewed": "The difference between the request time and the server's time is too large.",
}
"""Codes with which a store refuses for good, as S3 words them."""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}


class Way(ThreadingHTTPServer):
    """Hands every request on to a server, but for those that a fault waits for.

    Attributes:
        faults: taken one for each request that `chosen` takes: "503", "slow", "cut" (half of what is sent
            arrives), "drop" (the connection is closed), one of `REASONS` (refused), or None.
        always: a fault that meets every chosen request.
        chosen: method and path -> whether a fault may meet it.
        seen: method and path of every request.
        happened: the faults that were met.
    """

    daemon_threads = True

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.port = port
        self.faults: deque[str | None] = deque()
        self.always: str | None = None
        self.chosen = lambda method, path: method == "PUT"
        self.seen: list[tuple[str, str]] = []
        self.happened: list[str] = []
        self.lock = threading.Lock()
        self.one_by_one = threading.Lock()

    def handle_error(self, request: object, client_address: object) -> None:
        """Whoever was killed in the middle of a request is no error here."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)  # type: ignore[arg-type]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def fault(self, method: str, path: str) -> str | None:
        with self.lock:
            self.seen.append((method, path))
            if self.always and self.chosen(method, path):
                return self.always
            if not self.faults or not self.chosen(method, path):
                return None
            met = self.faults.popleft()
            if met:
                self.happened.append(met)
            return met


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def hand_on(self) -> None:
        way: Way = self.server  # type: ignore[assignment]
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        fault = way.fault(self.command, self.path)
        if fault == "drop":
            self.close_connection = True
            return
        if fault == "503":
            self.answer(503, [("Content-Type", "application/xml")], SLOW_DOWN)
            return
        if fault in REASONS:
            told = REFUSED.format(code=fault, message=REASONS[fault]).encode()
            status = 400 if fault == "ExpiredToken" else 403
            self.answer(status, [("Content-Type", "application/xml")], told)
            return
        if fault == "slow":
            time.sleep(0.7)
        headers = {name: value for name, value in self.headers.items() if name.lower() != "expect"}
        if fault == "cut":
            body = body[: len(body) // 2]
            dropped = ("content-md5", "content-length", "x-amz-content-sha256")
            headers = {
                name: value
                for name, value in headers.items()
                if name.lower() not in dropped
                and not name.lower().startswith(("x-amz-checksum", "x-amz-sdk"))
            }
            headers["Content-Length"] = str(len(body))
        conditional = any(name.lower() == "if-none-match" for name in headers)
        with (
            way.one_by_one if conditional else nullcontext()
        ):  # in S3 one step, in moto a look and then a put
            onward = http.client.HTTPConnection("127.0.0.1", way.port, timeout=30)
            onward.request(self.command, self.path, body=body, headers=headers)
            response = onward.getresponse()
            content = response.read()
        self.answer(response.status, response.getheaders(), content)
        onward.close()

    def answer(self, status: int, headers: list[tuple[str, str]], content: bytes) -> None:
        self.send_response(status)
        length = None
        for name, value in headers:
            if name.lower() == "content-length":
                length = value
            elif name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                self.send_header(name, value)
        head = self.command == "HEAD" or status in (204, 304)
        self.send_header("Content-Length", length if head and length else str(len(content)))
        self.end_headers()
        if not head:
            self.wfile.write(content)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = hand_on

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def s3_server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Way]:
    """The server with empty buckets `bucket` and `other`, and the environment by which programs find it."""
    pytest.importorskip("s3fs", reason="s3fs isn't installed: pip install '.[s3]'")
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    way = Way(server.get_host_and_port()[1])
    thread = threading.Thread(target=way.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        for name, value in {**CREDENTIALS, "AWS_ENDPOINT_URL": way.url}.items():
            monkeypatch.setenv(name, value)
        import fsspec

        fsspec.filesystem("s3").clear_instance_cache()
        for method, path in (("POST", "/moto-api/reset"), ("PUT", "/bucket"), ("PUT", "/other")):
            connection = http.client.HTTPConnection("127.0.0.1", way.port, timeout=30)
            connection.request(method, path, headers={"Authorization": _SIGNED})
            assert connection.getresponse().status == 200
            connection.close()
        yield way
    finally:
        way.shutdown()
        way.server_close()
        server.stop()


_SIGNED = (
    "AWS4-HMAC-SHA256 Credential=testing/20260101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
)
