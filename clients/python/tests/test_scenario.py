"""The scenario of examples/scenario, with the client's own calls: the same answers as every other client."""

import json
from typing import Any

import pytest
from conftest import Connect
from google.protobuf import json_format
from google.protobuf.message import Message
from support import PATIENCE, ROOT

from tactful import Client, Decision, TactfulError

STEPS: list[dict[str, Any]] = json.loads((ROOT / "examples/scenario/scenario.json").read_text())


def plain(facts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The values of facts in proto JSON."""
    return {name: next(iter(value.values())) for name, value in facts.items()}


class Conversation:
    """What one customer says and does, step by step."""

    def __init__(self, client: Client, customer: str) -> None:
        self.client = client
        self.customer = customer
        self.decision: Decision | None = None

    def take(self, call: str, request: dict[str, Any]) -> Message | dict[str, Any]:
        client, customer = self.client, self.customer
        match call:
            case "DecisionService/Decide":
                context = plain(request.get("context", {}))
                self.decision = client.decide(customer, request["channel"], context, timeout=PATIENCE)
                return self.decision.response
            case "DecisionService/RecordOutcomes":
                assert self.decision is not None
                [outcome] = request["outcomes"]
                name = outcome["outcome"].removeprefix("OUTCOME_").lower()
                result = client.record_outcome(self.decision, name, outcome_id=outcome["outcomeId"])
                return {"results": [to_json(result)]}
            case "ConsentService/RecordConsent":
                [change] = request["changes"]
                assert change["status"] == "CONSENT_STATUS_GIVEN"
                evidence = request["source"]["evidence"]
                standing = client.give_consent(customer, change["purpose"], evidence=evidence)
                return {"results": [{"accepted": True, "standing": to_json(standing)}]}
            case "ConsentService/WithdrawConsent":
                standings = client.withdraw_consent(customer, request["purposes"])
                return {"results": [{"accepted": True, "standing": to_json(standing)} for standing in standings]}
            case "JourneyService/SetAttributes":
                assert client.set_attributes(customer, plain(request["attributes"])) == []
                return {}
            case "JourneyService/RecordEvents":
                [event] = request["events"]
                result = client.record_event(customer, event["type"], plain(event["fields"]), event_id=event["eventId"])
                return {"results": [to_json(result)]}
            case _:
                raise AssertionError(call)


def to_json(message: Message) -> dict[str, Any]:
    return json_format.MessageToDict(message, always_print_fields_with_no_presence=True)


def at(value: Any, path: str) -> Any:
    for part in path.split("."):
        value = value[int(part)] if part.isdigit() else value[part]
    return value


def test_scenario(connect: Connect, server: int, customer: str) -> None:
    conversation = Conversation(connect(server), customer)
    for step in STEPS:
        if "error" in step:
            with pytest.raises(TactfulError) as caught:
                conversation.take(step["call"], step["request"])
            assert caught.value.code.name == step["error"]
            continue
        answer = conversation.take(step["call"], step["request"])
        seen = to_json(answer) if isinstance(answer, Message) else answer
        expected = step["expect"]
        assert {path: at(seen, path) for path in expected} == expected
