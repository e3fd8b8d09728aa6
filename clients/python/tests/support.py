"""Servers, proxies and certificates for the tests. Everything ends with its test."""

import contextlib
import os
import re
import socket
import subprocess
import threading
from collections.abc import Generator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
TACTFUL = os.environ["TACTFUL"]

PATIENCE = 30.0
DATA, HEADERS = 0, 1


@contextlib.contextmanager
def serve(folder: Path, *options: str) -> Generator[int, None, None]:
    """A server with the sample rules; gives its port."""
    data = ["--rules", str(ROOT / "rules"), "--data", str(folder / "data"), "--listen", "127.0.0.1:0"]
    with (
        (folder / "log").open("w") as log,
        subprocess.Popen([TACTFUL, "serve", *data, *options], stdout=subprocess.PIPE, stderr=log, text=True) as server,
    ):
        assert server.stdout is not None
        try:
            for line in server.stdout:
                if found := re.match(r"listening +127\.0\.0\.1:(\d+)", line):
                    break
            else:
                raise AssertionError((folder / "log").read_text())
            # What else it prints must not fill the pipe.
            threading.Thread(target=server.stdout.read, daemon=True).start()
            yield int(found[1])
        finally:
            server.terminate()
            server.wait()


def new_token(tokens: Path, *options: str) -> str:
    """A token in a file of callers."""
    command = [TACTFUL, "token", "new", "--tokens", str(tokens), "--name", "test", *options]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found = re.search(r"tct_\S+", printed)
    assert found is not None
    return found[0]


class Proxy:
    """Forwards connections to a server. Cuts the first `cuts` connections in the place of an answer's headers.

    If it is `silent`, it keeps all answers to itself.
    """

    def __init__(self, server: int, *, cuts: int = 0, silent: bool = False) -> None:
        self._server = server
        self.cuts = cuts
        self._silent = silent
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listener.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self.connections += 1
                server = socket.create_connection(("127.0.0.1", self._server))
                threading.Thread(target=self._questions, args=(client, server), daemon=True).start()
                threading.Thread(target=self._answers, args=(server, client), daemon=True).start()

    def _questions(self, client: socket.socket, server: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := client.recv(65536):
                server.sendall(data)
        _end(client, server)

    def _answers(self, server: socket.socket, client: socket.socket) -> None:
        with contextlib.suppress(OSError):
            for kind, frame in _frames(server):
                if kind == HEADERS and self.cuts > 0:
                    self.cuts -= 1
                    break
                if not (self._silent and kind in {DATA, HEADERS}):
                    client.sendall(frame)
        _end(client, server)


def _frames(server: socket.socket) -> Generator[tuple[int, bytes], None, None]:
    """The frames of HTTP/2 that a server sends: three bytes of length, one of kind, five others, and the content."""
    with server.makefile("rb") as stream:
        while len(head := stream.read(9)) == 9:
            yield head[3], head + stream.read(int.from_bytes(head[:3]))


def _end(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()


@contextlib.contextmanager
def mute() -> Generator[int, None, None]:
    """A server that accepts connections and never answers; gives its port."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def closed_port() -> int:
    """A port on which nobody listens."""
    with mute() as port:
        return port
