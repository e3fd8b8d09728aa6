"""How to reach a server: its address, certificates, and the settings of a channel."""

from __future__ import annotations

from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import grpc

FilePath: TypeAlias = str | PathLike[str]
Metadata: TypeAlias = tuple[tuple[str, str], ...]
"""Headers of a call, such as `(("sec-gpc", "1"),)`; names are in lower case."""

CHANNEL_OPTIONS: list[tuple[str, int]] = [
    # This package repeats calls itself: it knows the delay that the server asks for.
    ("grpc.enable_retries", 0),
    # After an outage, try to connect again soon.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1_000),
    # A connection that was silent is checked while it is used.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 5_000),
    # Each channel has a connection of its own: a busy server reads that of withdrawals first.
    ("grpc.use_local_subchannel_pool", 1),
]


@dataclass(frozen=True)
class Address:
    """Where a server is, and how it proves that it is the one."""

    target: str
    credentials: grpc.ChannelCredentials | None


def read_address(url: str, ca: FilePath | None, cert: FilePath | None, key: FilePath | None) -> Address:
    """Return the address of a URL such as `https://tactful.example:50051`."""
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname or parts.path not in {"", "/"}:
        raise ValueError(f"`{url}` is not an address such as https://tactful.example:50051")
    target = f"{parts.netloc}" if parts.port else f"{parts.netloc}:{443 if parts.scheme == 'https' else 80}"
    if (cert is None) != (key is None):
        raise ValueError("`cert` and `key` belong together: give both")
    if parts.scheme == "https":
        return Address(target, grpc.ssl_channel_credentials(_read(ca), _read(key), _read(cert)))
    if ca is not None or cert is not None:
        raise ValueError(f"certificates need an address with https://, not `{url}`")
    return Address(target, None)


def _read(path: FilePath | None) -> bytes | None:
    return None if path is None else Path(path).read_bytes()
