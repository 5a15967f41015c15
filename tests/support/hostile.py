"""An HTTP server on 127.0.0.1 that misbehaves, for tests of the download.

Each behavior of BEHAVIORS is a function of the server handler and the content, a valid zip archive.
"""

import contextlib
import io
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


def archive(files: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, content in files.items():
            file.writestr(name, content)
    return buffer.getvalue()


FILES = {
    "ESC-50-master/meta/esc50.csv": b"filename,fold,target,category,esc10\n",
    "ESC-50-master/audio/0.wav": b"0" * 999,
}
VALID = archive(FILES)


def claiming(content: bytes, size: int) -> bytes:
    """Return the archive with the uncompressed size of the last member set to `size` in both headers."""
    result = bytearray(content)
    for signature, offset in ((b"PK\x03\x04", 22), (b"PK\x01\x02", 24)):
        place = result.rindex(signature) + offset
        result[place : place + 4] = struct.pack("<I", size)
    return bytes(result)


def damaged_lzma() -> bytes:
    result = bytearray(archive(FILES, compression=zipfile.ZIP_LZMA))
    place = result.index(b"esc50.csv") + len(b"esc50.csv") + 4  # after the version and the length of the LZMA options
    result[place : place + 5] = b"\xff" * 5
    return bytes(result)


@cache
def zip_bomb() -> bytes:
    """Return an archive of 0.2 MB that extracts to 200 MB."""
    return archive(FILES | {f"ESC-50-master/{n}": bytes(8 << 20) for n in range(25)})


def send(handler, content: bytes, status: int = 200, **headers: object) -> None:
    handler.send_response(status)
    for name, value in ({"Content_Length": len(content)} | headers).items():
        if value is not None:
            handler.send_header(name.replace("_", "-"), str(value))
    handler.end_headers()
    handler.wfile.write(content)


def trickle(handler, content: bytes, seconds: float) -> None:
    for byte in content:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(seconds)


def slow_body(handler, content: bytes) -> None:
    send(handler, b"", Content_Length=10**6)
    trickle(handler, b"x" * 10_000, 0.05)


def slow_headers(handler, content: bytes) -> None:
    trickle(handler, b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, 0.05)


def slow_chunk_length(handler, content: bytes) -> None:
    send(handler, b"", Content_Length=None, Transfer_Encoding="chunked")
    trickle(handler, b"0" * 10_000, 0.05)


def endless_body(handler, content: bytes) -> None:
    send(handler, b"", Content_Length=None)
    while True:
        handler.wfile.write(bytes(1 << 20))


def partial_without_range(handler, content: bytes) -> None:
    start = handler.headers.get("Range")
    send(handler, content[len(content) // 2 :] if start else content[: len(content) // 2], 206 if start else 200)


def reset(handler, content: bytes) -> None:
    handler.connection.close()


Behavior = Callable[[BaseHTTPRequestHandler, bytes], None]
BEHAVIORS: dict[str, Behavior] = {
    "status 404": lambda h, c: send(h, b"no", 404),
    "status 403": lambda h, c: send(h, b"no", 403),
    "status 503": lambda h, c: send(h, b"no", 503),
    "status 204": lambda h, c: send(h, b"", 204),
    "status 206 without a range": lambda h, c: send(h, c, 206),
    "partial content without Content-Range": partial_without_range,
    "silent": lambda h, c: time.sleep(600),
    "slow body": slow_body,
    "slow headers": slow_headers,
    "slow chunk length": slow_chunk_length,
    "endless body": endless_body,
    "reset": reset,
    "redirect to a file": lambda h, c: send(h, b"", 302, Location="file:///etc/passwd"),
    "redirect to ftp": lambda h, c: send(h, b"", 302, Location="ftp://127.0.0.1/x"),
    "redirect loop": lambda h, c: send(h, b"", 302, Location="/again"),
    "length not a number": lambda h, c: send(h, c, Content_Length="many"),
    "length negative": lambda h, c: send(h, c, Content_Length=-5),
    "length of 5000 digits": lambda h, c: send(h, c, Content_Length="9" * 5000),
    "length of an exabyte": lambda h, c: send(h, c, Content_Length=10**18),
    "length too long": lambda h, c: send(h, c, Content_Length=len(c) + 1000),
    "control characters": lambda h, c: (h.send_response_only(404, "a\x1b[31mb\x07"), h.end_headers()),
    "not HTTP": lambda h, c: h.wfile.write(b"\x00\xff" * 100),
    "html": lambda h, c: send(h, b"<html>"),
    "truncated archive": lambda h, c: send(h, c[:-300]),
    "damaged LZMA": lambda h, c: send(h, damaged_lzma()),
    "wrong size of a member": lambda h, c: send(h, claiming(c, 0xFFFFFFF0)),
    "zip bomb": lambda h, c: send(h, zip_bomb()),
    "member of 300 characters": lambda h, c: send(h, archive(FILES | {"ESC-50-master/" + "x" * 300: b"x"})),
    "member of 400 folders": lambda h, c: send(h, archive(FILES | {"ESC-50-master/" + "x/" * 400 + "x": b"x"})),
    "member below a file": lambda h, c: send(h, archive(FILES | {"ESC-50-master/audio/0.wav/x": b"x"})),
    "member outside": lambda h, c: send(h, archive(FILES | {"ESC-50-master/../../evil": b"x"})),
    "member with control characters": lambda h, c: send(h, archive(FILES | {"ESC-50-master/a\n\x1b[31m": b"x"})),
}


@contextlib.contextmanager
def serving(behavior: Behavior, content: bytes = VALID) -> Iterator[str]:
    """Yield the address of a server with this behavior."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.close_connection = True
            with contextlib.suppress(OSError, ValueError):
                behavior(self, content)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/master.zip"
    finally:
        server.shutdown()
        server.socket.close()
