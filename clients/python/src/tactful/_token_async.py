"""Sends the token with each call of a channel for asyncio."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc.aio

from tactful._errors import no_token

Token: TypeAlias = str | Callable[[], str | Awaitable[str]]


class _Bearer:
    def __init__(self, token: Token) -> None:
        self._token = token

    async def _signed(self, details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        begun = time.monotonic()
        token = await self._now(details.timeout)
        # The token is part of the time of its call.
        left = None if details.timeout is None else max(0.001, details.timeout - (time.monotonic() - begun))
        metadata = grpc.aio.Metadata(*(details.metadata or ()), ("authorization", f"Bearer {token}"))
        return grpc.aio.ClientCallDetails(details.method, left, metadata, details.credentials, details.wait_for_ready)

    async def _now(self, limit: float | None) -> str:
        try:
            token = self._token if isinstance(self._token, str) else self._token()
            return token if isinstance(token, str) else await asyncio.wait_for(token, limit)
        except Exception as cause:
            raise no_token(cause) from cause


# grpc.aio takes each interceptor for one kind of call only.


class _UnaryUnary(_Bearer, grpc.aio.UnaryUnaryClientInterceptor):
    async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(await self._signed(client_call_details), request)


class _UnaryStream(_Bearer, grpc.aio.UnaryStreamClientInterceptor):
    async def intercept_unary_stream(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
        return await continuation(await self._signed(client_call_details), request)


class _StreamUnary(_Bearer, grpc.aio.StreamUnaryClientInterceptor):
    async def intercept_stream_unary(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(await self._signed(client_call_details), request_iterator)


class _StreamStream(_Bearer, grpc.aio.StreamStreamClientInterceptor):
    async def intercept_stream_stream(self, continuation: Any, client_call_details: Any, request_iterator: Any) -> Any:
        return await continuation(await self._signed(client_call_details), request_iterator)


def interceptors(token: Token) -> list[grpc.aio.ClientInterceptor]:
    """Return what sends the token with each call."""
    return [_UnaryUnary(token), _UnaryStream(token), _StreamUnary(token), _StreamStream(token)]
