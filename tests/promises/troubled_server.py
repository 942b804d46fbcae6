"""A server of this machine that does what real ones do: tears, hangs, lies about lengths, asks for a login.

And the fixtures around it: a cache, a mirror, a data set of that server.
"""

import dataclasses
import gzip
import hashlib
import socket
import struct
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from common import datasets
from common.fetch import DataFile

PLACE = "oqmd/oqmd_subset.csv.gz"
SPLITS = ("", "val", "test")
ROWS = [f"Na{i}Cl{j},{-2 + i / 500 - j / 250:.3f},{SPLITS[(i + j) % 3]}" for i in range(1, 201) for j in (211, 223)]
TABLE = "\n".join(["composition,delta_e_ev_per_atom,split_v2021_03", *ROWS, ""]).encode()
CONTENT = gzip.compress(TABLE, compresslevel=0, mtime=0)  # some kB
HALF = len(CONTENT) // 2
SECONDS = 60  # no call takes longer, whatever the server does
LONGEST_SENTENCE = 700  # characters


def whole(handler):
    answer(handler, CONTENT, len(CONTENT))


def torn(handler):
    answer(handler, CONTENT[:HALF], len(CONTENT))


def torn_of_unsaid_length(handler):
    answer(handler, CONTENT[:HALF], None)


def shorter_than_said(handler):
    answer(handler, CONTENT, len(CONTENT) + 10)


def longer_than_said(handler):
    answer(handler, CONTENT, len(CONTENT) - 5)


def empty(handler):
    answer(handler, b"", 0)


def other_content(handler):
    answer(handler, bytes(reversed(CONTENT)), len(CONTENT))


def hangs_before(handler):
    handler.server.ends.wait(SECONDS)


def hangs_within(handler):
    answer(handler, CONTENT[:HALF], len(CONTENT))
    handler.wfile.flush()
    handler.server.ends.wait(SECONDS)


def slow(handler):
    answer(handler, b"", len(CONTENT))
    for start in range(0, len(CONTENT), HALF // 4):
        handler.wfile.write(CONTENT[start : start + HALF // 4])
        handler.wfile.flush()
        time.sleep(0.05)


def not_found(handler):
    handler.send_error(404)


def out_of_order(handler):
    handler.send_error(503)


def login_page(handler):
    if handler.path == "/login":
        page = b"<html><body>Please log in to the network</body></html>"
        answer(handler, page, len(page))
    else:
        redirect(handler, "/login")


def redirects_for_ever(handler):
    redirect(handler, handler.path)


def redirects_to_a_file(handler):
    redirect(handler, "file:///etc/passwd")


def redirects_to_no_host(handler):
    redirect(handler, "http://..../table.csv")


def resets(handler):
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    handler.connection.close()


def speaks_no_http(handler):
    handler.wfile.write(b"\x00\xff220 smtp ready\r\n" * 50)


def broken_chunks(handler):
    handler.send_response(200)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    handler.wfile.write(b"10\r\n0123456789abcdef\r\nnonsense\r\n")


def broken_compression(handler):
    handler.send_response(200)
    handler.send_header("Content-Encoding", "gzip")
    handler.send_header("Content-Length", "30")
    handler.end_headers()
    handler.wfile.write(b"this has never been compressed")


TROUBLES = (
    torn,
    torn_of_unsaid_length,
    shorter_than_said,
    longer_than_said,
    empty,
    other_content,
    hangs_before,
    hangs_within,
    not_found,
    out_of_order,
    login_page,
    redirects_for_ever,
    redirects_to_a_file,
    redirects_to_no_host,
    resets,
    speaks_no_http,
    broken_chunks,
    broken_compression,
)
HANGING = (hangs_before, hangs_within)


def answer(handler, body: bytes, length: int | None) -> None:
    handler.send_response(200)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    handler.end_headers()
    handler.wfile.write(body)


def redirect(handler, to: str) -> None:
    handler.send_response(302)
    handler.send_header("Location", to)
    handler.end_headers()


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        self.server.num_requests += 1
        self.server.behaviour(self)

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """Attributes: ``behaviour`` of the next answers, ``num_requests`` so far, ``ends`` wakes what hangs."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behaviour, self.num_requests, self.ends = whole, 0, threading.Event()
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def file(self) -> DataFile:
        url = f"http://127.0.0.1:{self.server_address[1]}/table.csv.gz"
        return DataFile(PLACE, url=url, sha256=hashlib.sha256(CONTENT).hexdigest())

    def handle_error(self, *_):
        pass  # whoever hangs up first

    def stop(self):
        self.ends.set()
        self.shutdown()
        self.server_close()


@pytest.fixture(name="folders")
def folders_fixture(monkeypatch, tmp_path):
    """``cache`` and ``mirror``, and downloads are allowed."""
    for name in ("cache", "mirror"):
        (tmp_path / name).mkdir()
        monkeypatch.setenv(f"MATERIALS_DL_{name.upper()}", str(tmp_path / name))
    monkeypatch.delenv("MATERIALS_DL_OFFLINE", raising=False)
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture(name="server")
def server_fixture(folders):
    found = Server()
    yield found
    found.stop()


@pytest.fixture(name="subset")
def subset_fixture(server, monkeypatch):
    """The registry's OQMD subset, of that server; nothing stands in for it."""
    entry = dataclasses.replace(datasets.DATASETS["oqmd_subset"], files=(server.file,), stand_in=None)
    monkeypatch.setitem(datasets.DATASETS, "oqmd_subset", entry)
    return entry


def files_in(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def put(folder: Path, content: bytes = CONTENT) -> Path:
    path = folder / PLACE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def check_sentence(error: BaseException, *words: str) -> None:
    text = str(error)
    assert "\n" not in text and 40 < len(text) < LONGEST_SENTENCE and text.endswith("."), text
    for word in words:
        assert word in text
