"""What is recorded about a customer, as messages: outcomes, events and consents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Literal, TypeAlias, TypeVar

from grpc import StatusCode

from tactful._decision import Decision, DecisionReference
from tactful._errors import TactfulError, refusal, status_of
from tactful._facts import Facts, choose, to_timestamp, to_values
from tactful.v1 import common_pb2, consent_pb2
from tactful.v1.consent_pb2 import ConsentResult, Standing
from tactful.v1.decision_pb2 import OutcomeRecord, RecordResult
from tactful.v1.journey_pb2 import Event

Result = TypeVar("Result")

OutcomeName: TypeAlias = Literal[
    "presented",
    "clicked",
    "accepted",
    "rejected",
    "not_now",
    "already_done",
    "dismissed",
    "complained",
    "not_presented",
]
"""An outcome, by its name in the protocol."""

DenialStatus: TypeAlias = Literal["withdrawn", "refused", "objected", "restricted"]
"""How a customer denies a purpose. `restricted` concerns every purpose, and names none."""

_OUTCOMES: dict[OutcomeName, common_pb2.Outcome.ValueType] = {
    "presented": common_pb2.OUTCOME_PRESENTED,
    "clicked": common_pb2.OUTCOME_CLICKED,
    "accepted": common_pb2.OUTCOME_ACCEPTED,
    "rejected": common_pb2.OUTCOME_REJECTED,
    "not_now": common_pb2.OUTCOME_NOT_NOW,
    "already_done": common_pb2.OUTCOME_ALREADY_DONE,
    "dismissed": common_pb2.OUTCOME_DISMISSED,
    "complained": common_pb2.OUTCOME_COMPLAINED,
    "not_presented": common_pb2.OUTCOME_NOT_PRESENTED,
}

DENIALS: dict[DenialStatus, consent_pb2.ConsentStatus.ValueType] = {
    "withdrawn": consent_pb2.CONSENT_STATUS_WITHDRAWN,
    "refused": consent_pb2.CONSENT_STATUS_REFUSED,
    "objected": consent_pb2.CONSENT_STATUS_OBJECTED,
    "restricted": consent_pb2.CONSENT_STATUS_RESTRICTED,
}


def to_outcome(
    decision: Decision | DecisionReference,
    outcome: OutcomeName,
    action_id: str | None,
    outcome_id: str | None,
    occurred_at: datetime | None,
) -> OutcomeRecord:
    """Return an outcome as the protocol sends it."""
    if not decision.decision_id:
        raise ValueError("the decision has no id: nothing was recorded of it")
    action = action_id or _only_action(decision)
    return OutcomeRecord(
        outcome_id=outcome_id or f"{decision.decision_id}/{action}/{outcome}",
        decision_id=decision.decision_id,
        customer_id=decision.customer_id,
        action_id=action,
        outcome=choose(_OUTCOMES, "outcome", outcome),
        occurred_at=to_timestamp("occurred_at", occurred_at) if occurred_at else None,
    )


def _only_action(decision: Decision | DecisionReference) -> str:
    actions = decision.actions if isinstance(decision, Decision) else ()
    match list(actions):
        case [action]:
            return action.action_id
        case []:
            raise ValueError("the decision has no step: give `action_id`, or record nothing for a silence")
        case _:
            raise ValueError(f"the decision has {len(actions)} steps: say which with `action_id`")


def to_event(
    customer_id: str,
    event_type: str,
    fields: Facts | None,
    *,
    channel: str,
    event_id: str,
    occurred_at: datetime | None,
) -> Event:
    """Return an event as the protocol sends it."""
    return Event(
        customer_id=customer_id,
        type=event_type,
        fields=to_values(fields),
        channel=channel,
        event_id=event_id,
        occurred_at=to_timestamp("occurred_at", occurred_at) if occurred_at else None,
    )


def only_result(results: Sequence[RecordResult]) -> RecordResult:
    """Return the result of one outcome or event. A mistake is an error; what the customer has not allowed is none."""
    result = only(results)
    status = status_of(result.code)
    if status is not None:
        raise refusal(result.code, result.reason, status)
    return result


def only(results: Sequence[Result]) -> Result:
    """Return the first result of a batch of one."""
    for result in results:
        return result
    raise TactfulError("the answer has no result", StatusCode.INTERNAL)


def standings(results: Sequence[ConsentResult]) -> list[Standing]:
    """Return the standing of each purpose after a change. Every refusal is an error."""
    for result in results:
        if not result.accepted:
            raise refusal(result.code, result.reason, status_of(result.code) or StatusCode.FAILED_PRECONDITION)
    return [result.standing for result in results]
