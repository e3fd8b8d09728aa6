"""A question, its answer, and the silence that takes the place of an answer that did not come."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Literal, TypeAlias

from grpc import StatusCode

from tactful._errors import TactfulError
from tactful._facts import Facts, choose, to_list, to_timestamp, to_values
from tactful.v1 import decision_pb2
from tactful.v1.decision_pb2 import DecideRequest, DecideResponse, NextAction, Silence, SilenceReason

ExplainLevel: TypeAlias = Literal["none", "funnel", "full"]
"""How much an answer explains; more costs time and bytes."""

Fallback: TypeAlias = Literal["silence", "error"]
"""What to do if there is no answer in time: return a local silence, or raise the error."""

_FALLBACKS: dict[Fallback, bool] = {"silence": True, "error": False}
_LEVELS: dict[ExplainLevel, decision_pb2.ExplainLevel.ValueType] = {
    "none": decision_pb2.EXPLAIN_LEVEL_UNSPECIFIED,
    "funnel": decision_pb2.EXPLAIN_LEVEL_FUNNEL,
    "full": decision_pb2.EXPLAIN_LEVEL_FULL,
}


@dataclass(frozen=True)
class DecisionReference:
    """What an outcome needs of a decision, if you kept no more."""

    decision_id: str
    customer_id: str


@dataclass(frozen=True)
class Decision:
    """The answer: steps, or silence."""

    response: DecideResponse
    """The whole answer."""
    customer_id: str
    request_id: str
    error: TactfulError | None = None
    """Why the server did not answer; only if `local`."""

    @property
    def local(self) -> bool:
        """True if this client answers, with silence, because the server did not: the client knows of no decision."""
        return self.error is not None

    @property
    def decision_id(self) -> str:
        """The id for outcomes; empty if nothing was recorded."""
        return self.response.decision_id

    @property
    def actions(self) -> Sequence[NextAction]:
        """The steps, best first; none if silence is best."""
        return self.response.actions

    @property
    def action(self) -> NextAction | None:
        """The best step; None if silence is best."""
        return self.response.actions[0] if self.response.actions else None

    @property
    def silence(self) -> Silence | None:
        """Why silence is best; None if there is a step."""
        return self.response.silence if self.response.HasField("silence") else None

    @property
    def valid_until(self) -> datetime | None:
        """Until when the answer is the same, if nothing is recorded about the customer."""
        if not self.response.HasField("valid_until"):
            return None
        return self.response.valid_until.ToDatetime(tzinfo=timezone.utc)


def to_request(
    customer_id: str,
    channel: str,
    context: Facts | None,
    *,
    request_id: str,
    max_actions: int,
    groups: Sequence[str],
    explain: ExplainLevel,
    validate_only: bool,
    fallback: Fallback,
) -> DecideRequest:
    """Return the question as the protocol sends it."""
    choose(_FALLBACKS, "fallback", fallback)
    return DecideRequest(
        customer_id=customer_id,
        channel=channel,
        request_id=request_id,
        context=to_values(context),
        max_actions=max_actions,
        groups=to_list("groups", groups),
        explain=choose(_LEVELS, "level of explanation", explain),
        validate_only=validate_only,
    )


def local_silence(request: DecideRequest, error: TactfulError, timeout: float) -> Decision:
    """Return the answer that needs no server."""
    reason, detail = _reason(error, timeout)
    silence = Silence(reason=reason, detail=detail)
    if error.retry_delay is not None:
        again = datetime.now(timezone.utc) + timedelta(seconds=error.retry_delay)
        silence.retry_after.CopyFrom(to_timestamp("retry_after", again))
    return Decision(DecideResponse(silence=silence), request.customer_id, request.request_id, error)


def _reason(error: TactfulError, timeout: float) -> tuple[SilenceReason.ValueType, str]:
    match error.code:
        case StatusCode.DEADLINE_EXCEEDED:
            detail = f"the server did not answer in {round(timeout * 1000)} ms"
            return decision_pb2.SILENCE_REASON_TOO_LATE, detail
        case StatusCode.RESOURCE_EXHAUSTED:
            return decision_pb2.SILENCE_REASON_OVERLOADED, f"the server is too busy: {error}"
        case _:
            return decision_pb2.SILENCE_REASON_UNAVAILABLE, f"the server cannot answer: {error}"
