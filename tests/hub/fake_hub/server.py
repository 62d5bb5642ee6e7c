"""What both servers do: keep-alive HTTP/1.1, a log of all requests, faults on demand."""

import http.server
import json
import ssl
import time
import urllib.parse


class Refused(Exception):
    """An answer other than success."""

    def __init__(self, status: int, message: str, code: str = "", **headers: str):
        super().__init__(message)
        self.status, self.message, self.code, self.headers = status, message, code, headers


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = 1 << 16
    place = ""  # "hub" or "store", in the log

    @property
    def world(self):
        return self.server.world

    def log_message(self, *_):
        pass

    def handle_request(self) -> None:
        self.raw_path, _, self.query_text = self.path.partition("?")
        self.query = dict(urllib.parse.parse_qsl(self.query_text))
        self.body = self.read_body()
        self.cut_after = None
        self.holds_answer = False
        if not self.raw_path.startswith("/-/"):
            self.world.requests.append({
                "server": self.place, "method": self.command, "path": self.raw_path, "query": self.query_text,
                "authorization": self.headers.get("Authorization", ""), "range": self.headers.get("Range", ""),
                "port": self.client_address[1]})
            if self.suffer_fault():
                return
            if self.world.settings["slow_ms"]:
                time.sleep(self.world.settings["slow_ms"] / 1000)
        try:
            self.route()
        except Refused as refused:
            self.refuse(refused)
        if self.holds_answer:
            self.world.hold()

    do_GET = do_HEAD = do_POST = do_PUT = do_DELETE = handle_request

    def read_body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            body = b""
            while size := int(self.rfile.readline().split(b";")[0], 16):
                body += self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
            return body
        return self.rfile.read(int(self.headers.get("Content-Length", 0)))

    # answers

    def answer(self, status: int, body: bytes = b"", headers: dict | None = None) -> None:
        """HEAD gets the headers alone. A fault may cut the body."""
        self.send_response(status)
        headers = {"Content-Length": str(len(body)), **(headers or {})}
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        if self.cut_after is not None:
            self.wfile.write(body[: self.cut_after])
            self.close_connection = True
        else:
            self.wfile.write(body)

    def answer_json(self, value, status: int = 200, headers: dict | None = None) -> None:
        self.answer(status, json.dumps(value).encode(), {"Content-Type": "application/json; charset=utf-8", **(headers or {})})

    def refuse(self, refused: Refused) -> None:
        headers = {"X-Error-Message": refused.message, "X-Request-Id": "Root=1-test", **refused.headers}
        if refused.code:
            headers["X-Error-Code"] = refused.code
        self.answer_json({"error": refused.message}, refused.status, headers)

    def answer_range(self, content: bytes, headers: dict) -> None:
        """The file, or the part of it that was asked for."""
        headers = {"Accept-Ranges": "bytes", **headers}
        wanted = self.headers.get("Range")
        if not wanted or self.ignore_range:
            return self.answer(200, content, headers)
        first, _, last = wanted.removeprefix("bytes=").partition("-")
        first = int(first) if first else len(content) - int(last)
        last = min(int(last), len(content) - 1) if last and wanted != f"bytes=-{last}" else len(content) - 1
        if first >= len(content):
            return self.answer(416, b"", {**headers, "Content-Range": f"bytes */{len(content)}"})
        self.answer(206, content[first : last + 1], {**headers, "Content-Range": f"bytes {first}-{last}/{len(content)}"})

    # faults

    def suffer_fault(self) -> bool:
        """The first fault that fits strikes; true when it is the whole answer."""
        self.ignore_range = False
        request = f"{self.command} {self.path}"
        with self.world.lock:
            fault = next((f for f in self.world.faults if f["match"] in request and f["server"] in ("", self.place)), None)
            if fault is None:
                return False
            if fault["skip"] > 0:
                fault["skip"] -= 1
                return False
            fault["times"] -= 1
            if fault["times"] == 0:
                self.world.faults.remove(fault)
        kind = fault["kind"]
        if kind == "drop":
            self.close_connection = True
            self.connection.close()
        elif kind == "cut":
            self.cut_after = fault["bytes"]
            return False
        elif kind == "hold" and fault["after"]:
            self.holds_answer = True  # it is small enough to lie in wfile's buffer until then
            return False
        elif kind == "hold":
            self.world.hold()
            self.close_connection = True
        elif kind == "ignore_range":
            self.ignore_range = True
            return False
        elif kind == "stall":
            time.sleep(fault["seconds"])
            return False
        else:
            self.answer(fault["status"], fault["body"].encode(), fault["headers"])
        return True


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 64

    def handle_error(self, request, client_address):
        pass  # a client that went away, or a fault that closed the connection


def serve(handler, world, host: str, tls: ssl.SSLContext | None = None) -> tuple[Server, str]:
    """The server, not yet running, and its address."""
    server = Server((host, 0), handler)
    server.world = world
    if tls:  # the handshake belongs to the connection's thread
        server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    return server, f"http{'s' if tls else ''}://{host}:{server.server_port}"
