"""A small threaded HTTP/1.1 server with keep-alive that can also misbehave on purpose.

Owns the sockets and the bytes on them. Knows nothing of OAuth: a handler gets a Request and gives back a Response, and a
Response may ask for trouble on the wire (`wire`), which only this module knows how to make.
"""

import json
import socket
import ssl
import threading
import time
import urllib.parse
from http.client import responses as REASONS

HEAD_MAX = 64 * 1024
BODY_MAX = 4 * 1024 * 1024
HUGE_BYTES = 100 * 1024 * 1024
_CHUNK = b"x" * 65536


class Request:
    """One request: `headers` has lower-case names, `query` and `form` (or an object of JSON) hold the last value of each name."""

    __slots__ = ("method", "path", "query", "headers", "body", "base", "_form")

    def __init__(self, method, target, headers, body, base):
        path, _, query = target.partition("?")
        self.method = method
        self.path = path
        self.query = dict(urllib.parse.parse_qsl(query, keep_blank_values=True)) if query else {}
        self.headers = headers
        self.body = body
        self.base = base
        self._form = None

    @property
    def form(self):
        if self._form is None:
            text = self.body.decode("utf-8", "replace")
            if self.headers.get("content-type") == "application/json":
                self._form = json.loads(text)
                return self._form
            self._form = dict(urllib.parse.parse_qsl(text, keep_blank_values=True))
        return self._form

    def json(self):
        return json.loads(self.body or b"{}")


class Response:
    """`wire`: None, or one of close, truncated, huge, endless, drip."""

    __slots__ = ("status", "headers", "body", "wire", "date_offset")

    def __init__(self, status, body=b"", content_type=None, headers=None, wire=None):
        self.status = status
        self.body = body.encode() if isinstance(body, str) else body
        self.headers = dict(headers or {})
        if content_type:
            self.headers.setdefault("Content-Type", content_type)
        self.wire = wire
        self.date_offset = 0.0

    @classmethod
    def json(cls, status, value, content_type="application/json; charset=utf-8", headers=None):
        return cls(status, json.dumps(value), content_type, headers)


_date_cache = (None, "")


def http_date(offset):
    """The Date header; None as offset means that none is sent."""
    global _date_cache
    second = int(time.time() + offset)
    if _date_cache[0] != second:
        _date_cache = (second, time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(second)))
    return _date_cache[1]


class _Closed(Exception):
    pass


class _Reader:
    def __init__(self, sock):
        self.sock = sock
        self.buffer = b""

    def _more(self):
        data = self.sock.recv(65536)
        if not data:
            raise _Closed
        self.buffer += data

    def head(self):
        while True:
            end = self.buffer.find(b"\r\n\r\n")
            if end >= 0:
                head, self.buffer = self.buffer[:end], self.buffer[end + 4:]
                return head.decode("latin-1")
            if len(self.buffer) > HEAD_MAX:
                raise _Closed
            self._more()

    def exactly(self, size):
        while len(self.buffer) < size:
            self._more()
        data, self.buffer = self.buffer[:size], self.buffer[size:]
        return data


class Server:
    """Listens on loopback; `url` tells where. `tls` is a pair of file names (certificate, key)."""

    def __init__(self, handler, host="127.0.0.1", port=0, tls=None):
        self.handler = handler
        self.context = None
        if tls:
            self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self.context.load_cert_chain(*tls)
        self.listener = socket.create_server((host, port), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.url = "%s://%s:%d" % ("https" if tls else "http", host, self.port)

    def start(self):
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def _accept(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self._connection, args=(sock,), daemon=True).start()

    def _connection(self, sock):
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.context:
                sock = self.context.wrap_socket(sock, server_side=True)
            reader = _Reader(sock)
            while self._exchange(sock, reader):
                pass
        except (_Closed, OSError, ValueError):
            pass
        finally:
            sock.close()

    def _exchange(self, sock, reader):
        lines = reader.head().split("\r\n")
        method, target, version = lines[0].split(" ")
        headers = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        size = int(headers.get("content-length", 0))
        if size > BODY_MAX or "transfer-encoding" in headers:
            self._send(sock, Response(413), method, keep=False)
            return False
        if headers.get("expect", "").lower() == "100-continue":
            sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = reader.exactly(size) if size else b""
        keep = version == "HTTP/1.1" and headers.get("connection", "").lower() != "close"
        response = self.handler(Request(method, target, headers, body, self.url))
        return self._send(sock, response, method, keep) and keep

    def _head(self, response, length, keep):
        lines = ["HTTP/1.1 %d %s" % (response.status, REASONS.get(response.status, "Unknown"))]
        if response.date_offset is not None:
            lines.append("Date: " + http_date(response.date_offset))
        lines += ["%s: %s" % item for item in response.headers.items()]
        if length is not None:
            lines.append("Content-Length: %d" % length)
        if not keep:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")

    def _send(self, sock, response, method, keep):
        wire = response.wire
        if wire is None:
            head = self._head(response, len(response.body), keep)
            sock.sendall(head if method == "HEAD" else head + response.body)
            return True
        if wire == "truncated":
            sock.sendall(self._head(response, len(response.body) + 100, False) + response.body)
        elif wire == "huge":
            sock.sendall(self._head(response, HUGE_BYTES, False))
            for _ in range(HUGE_BYTES // len(_CHUNK)):
                sock.sendall(_CHUNK)
        elif wire == "endless":
            sock.sendall(self._head(response, None, False))
            while True:
                sock.sendall(_CHUNK)
        elif wire == "drip":
            sock.sendall(self._head(response, 1 << 20, False))
            while True:
                sock.sendall(b" ")
                time.sleep(0.2)
        return False
