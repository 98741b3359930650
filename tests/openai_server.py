"""A small server that speaks OpenAI's HTTP interface, for tests of what asks one."""

import hashlib
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

MODEL = "served-model"
KEY = "sk-a-secret-of-the-tests"

Failure = tuple[int, dict[str, str], str]
"""Status, headers and text; status 0 cuts the connection."""


class OpenAIServer:
    """Answers completions and chats: what it says follows from prompt and seed alone.

    Attributes:
        base_url: Where it listens.
        bodies: Of the requests that it was sent, in order, failed ones too.
        num_looks: How often it was asked for its models.
        fail: Called with the number of a request, from 0, and its body: how it fails, None if not.
        answer: From a request's body to the text; else ``\\boxed{...}`` of a digit.
        owned_by: What it says of its model.
    """

    def __init__(self) -> None:
        self.bodies: list[dict[str, Any]] = []
        self.fail: Callable[[int, dict[str, Any]], Failure | None] = lambda number, body: None
        self.answer: Callable[[dict[str, Any]], str] = _digit
        self.owned_by = "tests"
        self.num_looks = 0
        self.meet: threading.Barrier | None = None
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._http.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._http.server_port}/v1"

    def credentials(self) -> dict[str, str]:
        return {"base_url": self.base_url, "api_key": KEY}

    def start(self) -> None:
        threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True).start()

    def stop(self) -> None:
        self._http.shutdown()
        self._http.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:
                pass

            def do_GET(self) -> None:
                server.num_looks += 1
                models = [{"id": MODEL, "owned_by": server.owned_by}, {"id": "another"}]
                self._send(*server._refusal(self), {"data": models})

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = json.loads(self.rfile.read(length))
                with server._lock:
                    number = len(server.bodies)
                    server.bodies.append(body)
                if server.meet is not None:
                    server.meet.wait(timeout=10)
                failure = server.fail(number, body)
                if failure is None:
                    self._send(*server._refusal(self), server._reply(self.path, body))
                elif failure[0]:
                    self._send(*failure, None)
                else:
                    self.close_connection = True

            def _send(
                self, status: int, headers: dict[str, str], text: str, answer: object
            ) -> None:
                data = (text or json.dumps(answer)).encode()
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        return Handler

    def _refusal(self, request: BaseHTTPRequestHandler) -> Failure:
        sent = request.headers.get("Authorization", "")
        if sent != f"Bearer {KEY}":
            return 401, {}, f"wrong key: {sent}"
        return 200, {}, ""

    def _reply(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        text = self.answer(body)
        said = (
            {"message": {"role": "assistant", "content": text}}
            if path.endswith("/chat/completions")
            else {"text": text}
        )
        return {
            "model": body["model"],
            "system_fingerprint": "fp_tests",
            "choices": [{**said, "finish_reason": "stop"}],
            "usage": {"completion_tokens": len(text)},
        }


@contextmanager
def serving() -> Iterator[OpenAIServer]:
    """Give a server that runs within the block."""
    server = OpenAIServer()
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _digit(body: dict[str, Any]) -> str:
    key = json.dumps([body.get("messages") or body["prompt"], body.get("seed")])
    return f"\\boxed{{{hashlib.sha256(key.encode()).digest()[0] % 10}}}"
