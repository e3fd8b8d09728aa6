"""A first decision: what to say to Anna on the web, before she consents, after it, and after she changes her mind.

    pip install -r requirements.txt
    python first_decision.py

Needs a running server with the sample rules: `cargo run --release -- serve` in the root of the repository.
"""

import argparse
import sys
import uuid

import grpc

import stubs

stubs.make()

from tactful.v1 import common_pb2, consent_pb2, decision_pb2, journey_pb2  # noqa: E402
from tactful.v1 import consent_pb2_grpc, decision_pb2_grpc, journey_pb2_grpc  # noqa: E402

SECONDS = 5  # the deadline of each call; on a web page you would use 0.1


class Tactful:
    """The five calls that most integrations need, for one customer on the web."""

    def __init__(self, channel, customer):
        self.customer = customer
        self.decisions = decision_pb2_grpc.DecisionServiceStub(channel)
        self.journeys = journey_pb2_grpc.JourneyServiceStub(channel)
        self.consents = consent_pb2_grpc.ConsentServiceStub(channel)

    def decide(self, **context):
        """The next best step now, or silence. A repeated request_id counts once, so a retry is safe."""
        request = decision_pb2.DecideRequest(
            customer_id=self.customer,
            channel="web",
            request_id=str(uuid.uuid4()),
            context={name: value(fact) for name, fact in context.items()},
        )
        return self.decisions.Decide(request, timeout=SECONDS)

    def set_attributes(self, **attributes):
        """What is known about the customer. What no purpose allows is dropped, and named in the answer."""
        request = journey_pb2.SetAttributesRequest(
            customer_id=self.customer,
            attributes={f"customer.{name}": value(fact) for name, fact in attributes.items()},
        )
        return self.journeys.SetAttributes(request, timeout=SECONDS)

    def record_event(self, event_type, **fields):
        """What the customer did."""
        event = journey_pb2.Event(
            event_id=str(uuid.uuid4()),
            customer_id=self.customer,
            type=event_type,
            channel="web",
            fields={name: value(fact) for name, fact in fields.items()},
        )
        answer = self.journeys.RecordEvents(journey_pb2.RecordEventsRequest(events=[event]), timeout=SECONDS)
        return accepted(answer.results[0])

    def record_consent(self, purpose, status):
        """What the customer allows or forbids. Once this returns, every new decision knows it."""
        change = consent_pb2.ConsentChange(
            purpose=purpose,
            status=status,
            language="en",
            expression="ticked a box",
        )
        request = consent_pb2.RecordConsentRequest(
            customer_id=self.customer,
            changes=[change],
            idempotency_key=str(uuid.uuid4()),
            source=consent_pb2.ConsentSource(channel="web"),
        )
        answer = self.consents.RecordConsent(request, timeout=SECONDS)
        return accepted(answer.results[0]).standing

    def record_outcome(self, decision, action, outcome):
        """The outcome of a step. `presented` confirms the contact, `not_presented` takes it back."""
        record = decision_pb2.OutcomeRecord(
            outcome_id=str(uuid.uuid4()),
            decision_id=decision.decision_id,
            customer_id=self.customer,
            action_id=action.action_id,
            outcome=outcome,
        )
        request = decision_pb2.RecordOutcomesRequest(outcomes=[record])
        return accepted(self.decisions.RecordOutcomes(request, timeout=SECONDS).results[0])


def value(fact):
    """A Python value as a typed fact."""
    if isinstance(fact, bool):
        return common_pb2.Value(flag=fact)
    if isinstance(fact, (int, float)):
        return common_pb2.Value(number=fact)
    return common_pb2.Value(text=fact)


def accepted(result):
    """Items of a batch are refused one by one, inside an OK answer: always check."""
    if not result.accepted:
        sys.exit(f"the server refused it: {result.reason}")
    return result


def show(decision):
    """Prints a decision as a person would tell it."""
    for action in decision.actions:
        print(f"   {action.kind} `{action.action_id}`, {action.score.total:.1f} points: {action.text or action.title}")
        for reason in action.because:
            print(f"   because {reason}")
    if decision.HasField("silence"):
        silence = decision.silence
        print(f"   silence: {silence.detail}")
        if silence.nearest_action_id:
            print(f"   nearest: `{silence.nearest_action_id}`, {silence.nearest_gap:.1f} points short")
        if silence.HasField("retry_after"):
            print(f"   ask again after {silence.retry_after.ToJsonString()}")
    print(f"   data used for: {', '.join(decision.purposes_used) or 'nothing personal'}")


def is_personal(decision):
    return "personalisation" in decision.purposes_used


def tell(tactful, expect):
    """The story. `expect(condition, sentence)` notes whether it went as the sample rules promise."""
    print("1. Anna looks at the web shop and asks about speed. She has allowed nothing yet.")
    decision = tactful.decide(topic="speed", activity="browsing")
    show(decision)
    expect(not is_personal(decision), "no personal step before consent")

    print("2. She allows personalisation. From now on, and not before, facts may be kept for it.")
    standing = tactful.record_consent("personalisation", consent_pb2.CONSENT_STATUS_GIVEN)
    print(f"   usable: {standing.usable}, position {standing.ledger_position} of the ledger")
    tactful.set_attributes(contract="dsl", age=34)
    tactful.record_event("page_view", page="fibre")

    print("3. She asks again.")
    decision = tactful.decide(topic="speed", activity="browsing")
    show(decision)
    expect(is_personal(decision), "a personal step after consent")

    if decision.actions:
        print("4. She says yes.")
        tactful.record_outcome(decision, decision.actions[0], common_pb2.OUTCOME_ACCEPTED)

    print("5. She takes her consent back. The very next decision knows.")
    tactful.record_consent("personalisation", consent_pb2.CONSENT_STATUS_WITHDRAWN)
    decision = tactful.decide(topic="speed", activity="browsing")
    show(decision)
    expect(not is_personal(decision), "no personal step after withdrawal")


def main():
    parser = argparse.ArgumentParser(description="A first decision with Tactful.")
    parser.add_argument("--target", default="127.0.0.1:50051", help="HOST:PORT of the server (default %(default)s)")
    parser.add_argument("--customer", help="customer id (default: anna; with --check a new one)")
    parser.add_argument("--check", action="store_true", help="fail unless the sample rules decide as they promise")
    options = parser.parse_args()
    customer = options.customer or (f"anna-{uuid.uuid4()}" if options.check else "anna")
    broken = []

    def expect(condition, sentence):
        if options.check:
            print(f"   {'ok' if condition else 'FAILED'}: {sentence}")
            broken.extend([] if condition else [sentence])

    with grpc.insecure_channel(options.target) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=SECONDS)
            tell(Tactful(channel, customer), expect)
        except grpc.FutureTimeoutError:
            sys.exit(f"no server answers at {options.target}; start one with `cargo run --release -- serve`")
        except grpc.RpcError as error:
            sys.exit(f"the server answered {error.code().name}: {error.details()}")
    if broken:
        sys.exit(f"not as promised: {'; '.join(broken)}")


if __name__ == "__main__":
    main()
