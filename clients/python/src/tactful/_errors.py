"""What can go wrong, and whether it is worth another try."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import BadRequest, ErrorInfo, RetryInfo
from google.rpc.status_pb2 import Status
from grpc import StatusCode

from tactful.v1.common_pb2 import ResultCode

if TYPE_CHECKING:
    import grpc

_OUTAGES = {
    StatusCode.UNAVAILABLE,
    StatusCode.DEADLINE_EXCEEDED,
    StatusCode.RESOURCE_EXHAUSTED,
    StatusCode.ABORTED,
    StatusCode.INTERNAL,
    StatusCode.UNKNOWN,
    StatusCode.DATA_LOSS,
}

_REFUSALS = {
    ResultCode.RESULT_CODE_INVALID: StatusCode.INVALID_ARGUMENT,
    ResultCode.RESULT_CODE_UNKNOWN_NAME: StatusCode.INVALID_ARGUMENT,
    ResultCode.RESULT_CODE_REUSED: StatusCode.ALREADY_EXISTS,
    ResultCode.RESULT_CODE_NOT_FOUND: StatusCode.NOT_FOUND,
    ResultCode.RESULT_CODE_UNAVAILABLE: StatusCode.UNAVAILABLE,
}


@dataclass(frozen=True)
class FieldViolation:
    """What the server says against one field of a request."""

    field: str
    description: str


class TactfulError(Exception):
    """A call that failed, or an item that was refused. Branch on `reason` or `code`; the message is for people."""

    code: StatusCode
    """The status of gRPC."""
    reason: str
    """A stable reason, such as `UNKNOWN_CHANNEL`; empty if the server gave none."""
    fields: tuple[FieldViolation, ...]
    """The fields at fault."""
    retry_delay: float | None
    """After how many seconds the server wants the call to be repeated."""

    def __init__(
        self,
        message: str,
        code: StatusCode,
        *,
        reason: str = "",
        fields: tuple[FieldViolation, ...] = (),
        retry_delay: float | None = None,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.fields = fields
        self.retry_delay = retry_delay

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed a moment later."""
        if self.code is StatusCode.RESOURCE_EXHAUSTED:
            return self.retry_delay is not None
        return self.code in {StatusCode.UNAVAILABLE, StatusCode.ABORTED}

    @property
    def is_outage(self) -> bool:
        """Whether it is the server or the way to it that failed, and neither the request nor the caller is wrong."""
        return self.code in _OUTAGES

    @classmethod
    def from_rpc(cls, error: grpc.RpcError) -> TactfulError:
        """Return the same error with its details read; for errors of the generated stubs."""
        # Every error that grpc raises for a call is a grpc.Call or a grpc.aio.AioRpcError: both have these methods.
        call: Any = error
        reason, fields, delay = "", list[FieldViolation](), None
        for detail in _details(call.trailing_metadata() or ()):
            info, bad, retry = ErrorInfo(), BadRequest(), RetryInfo()
            if detail.Unpack(info):
                reason = info.reason
            elif detail.Unpack(bad):
                fields += [FieldViolation(one.field, one.description) for one in bad.field_violations]
            elif detail.Unpack(retry):
                delay = retry.retry_delay.ToTimedelta().total_seconds()
        read = cls(call.details() or "", call.code(), reason=reason, fields=tuple(fields), retry_delay=delay)
        read.__cause__ = error
        return read


def _details(metadata: Iterable[tuple[str, Any]]) -> Iterable[Any]:
    for key, value in metadata:
        if key == "grpc-status-details-bin":
            try:
                status: Any = Status.FromString(value)
            except DecodeError:
                # Details that cannot be read are as if they were not sent.
                return ()
            details: Iterable[Any] = status.details
            return details
    return ()


def status_of(code: ResultCode.ValueType) -> StatusCode | None:
    """Return the status of an item that is refused by mistake of the caller, or for now; None for any other."""
    return _REFUSALS.get(code)


def refusal(code: ResultCode.ValueType, reason: str, status: StatusCode) -> TactfulError:
    """Return the error of a refused item."""
    # A newer server may have other codes.
    name = ResultCode.Name(code).removeprefix("RESULT_CODE_") if code in ResultCode.values() else ""
    return TactfulError(reason, status, reason=name)


def no_token(cause: Exception) -> TactfulError:
    """Return the error of a function that gave no token. It is an outage: a decision ends as silence."""
    return TactfulError(f"there is no token: {str(cause) or type(cause).__name__}", StatusCode.UNAVAILABLE)
