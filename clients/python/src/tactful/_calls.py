"""Every call of a client as a value: what is sent, where, and how the answer is read. Both clients make these."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, Literal, TypeAlias, TypeVar

from google.protobuf.message import Message

from tactful import _records
from tactful._decision import Decision, DecisionReference
from tactful._facts import Facts, choose, to_attributes, to_list, to_timestamp
from tactful._records import DenialStatus, OutcomeName
from tactful.v1 import caller_pb2, consent_pb2, decision_pb2, journey_pb2

Answer = TypeVar("Answer")
Lane: TypeAlias = Literal["calls", "withdrawals"]

DECIDE_TIMEOUT = 0.3
TIMEOUT = 5.0


@dataclass(frozen=True)
class Call(Generic[Answer]):
    """One call of the protocol. All attempts send the same request, and so the same id."""

    method: str
    request: Message
    response: type[Message]
    read: Callable[[Any], Answer]
    lane: Lane = "calls"


def new_id() -> str:
    """Return an id that no other call has."""
    return str(uuid.uuid4())


def decide(request: decision_pb2.DecideRequest) -> Call[Decision]:
    """Ask for the next step."""

    def read(response: decision_pb2.DecideResponse) -> Decision:
        return Decision(response, request.customer_id, request.request_id)

    return Call("/tactful.v1.DecisionService/Decide", request, decision_pb2.DecideResponse, read)


def record_outcome(
    decision: Decision | DecisionReference,
    outcome: OutcomeName,
    action_id: str | None,
    outcome_id: str | None,
    occurred_at: datetime | None,
) -> Call[decision_pb2.RecordResult]:
    """Record the outcome of a step."""

    def read(response: decision_pb2.RecordOutcomesResponse) -> decision_pb2.RecordResult:
        return _records.only_result(response.results)

    record = _records.to_outcome(decision, outcome, action_id, outcome_id, occurred_at)
    request = decision_pb2.RecordOutcomesRequest(outcomes=[record])
    return Call("/tactful.v1.DecisionService/RecordOutcomes", request, decision_pb2.RecordOutcomesResponse, read)


def record_event(
    customer_id: str,
    event_type: str,
    fields: Facts | None,
    *,
    channel: str,
    event_id: str | None,
    occurred_at: datetime | None,
) -> Call[decision_pb2.RecordResult]:
    """Record what a customer did."""

    def read(response: journey_pb2.RecordEventsResponse) -> decision_pb2.RecordResult:
        return _records.only_result(response.results)

    event = _records.to_event(
        customer_id,
        event_type,
        fields,
        channel=channel,
        event_id=event_id or new_id(),
        occurred_at=occurred_at,
    )
    request = journey_pb2.RecordEventsRequest(events=[event])
    return Call("/tactful.v1.JourneyService/RecordEvents", request, journey_pb2.RecordEventsResponse, read)


def set_attributes(customer_id: str, attributes: Facts, time_zone: str) -> Call[list[str]]:
    """Set what is known about a customer."""

    def read(response: journey_pb2.SetAttributesResponse) -> list[str]:
        return list(response.dropped)

    request = journey_pb2.SetAttributesRequest(
        customer_id=customer_id, attributes=to_attributes(attributes), time_zone=time_zone
    )
    return Call("/tactful.v1.JourneyService/SetAttributes", request, journey_pb2.SetAttributesResponse, read)


def give_consent(
    customer_id: str,
    purpose: str,
    *,
    source: consent_pb2.ConsentSource,
    notice: str,
    language: str,
    expression: str,
    valid_until: datetime | None,
    idempotency_key: str | None,
) -> Call[consent_pb2.Standing]:
    """Record a yes."""

    def read(response: consent_pb2.RecordConsentResponse) -> consent_pb2.Standing:
        return _records.only(_records.standings(response.results))

    change = consent_pb2.ConsentChange(
        purpose=purpose,
        status=consent_pb2.CONSENT_STATUS_GIVEN,
        notice=notice,
        language=language,
        expression=expression,
        valid_until=to_timestamp("valid_until", valid_until) if valid_until else None,
    )
    request = consent_pb2.RecordConsentRequest(
        customer_id=customer_id, changes=[change], idempotency_key=idempotency_key or new_id(), source=source
    )
    return Call("/tactful.v1.ConsentService/RecordConsent", request, consent_pb2.RecordConsentResponse, read)


def withdraw_consent(
    customer_id: str,
    purposes: Sequence[str],
    status: DenialStatus,
    source: consent_pb2.ConsentSource,
) -> Call[list[consent_pb2.Standing]]:
    """Record a no."""

    def read(response: consent_pb2.WithdrawConsentResponse) -> list[consent_pb2.Standing]:
        return _records.standings(response.results)

    request = consent_pb2.WithdrawConsentRequest(
        customer_id=customer_id,
        purposes=to_list("purposes", purposes),
        status=choose(_records.DENIALS, "denial", status),
        source=source,
    )
    method = "/tactful.v1.ConsentService/WithdrawConsent"
    return Call(method, request, consent_pb2.WithdrawConsentResponse, read, "withdrawals")


def get_consent(customer_id: str) -> Call[list[consent_pb2.Standing]]:
    """Ask what a customer allows."""

    def read(response: consent_pb2.GetConsentResponse) -> list[consent_pb2.Standing]:
        return list(response.standings)

    request = consent_pb2.GetConsentRequest(customer_id=customer_id)
    return Call("/tactful.v1.ConsentService/GetConsent", request, consent_pb2.GetConsentResponse, read)


def ready() -> Call[caller_pb2.GetCallerResponse]:
    """Ask who the caller is."""

    def read(response: caller_pb2.GetCallerResponse) -> caller_pb2.GetCallerResponse:
        return response

    request = caller_pb2.GetCallerRequest()
    return Call("/tactful.v1.CallerService/GetCaller", request, caller_pb2.GetCallerResponse, read)
