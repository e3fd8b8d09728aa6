"""The client."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime
from types import TracebackType
from typing import TypeVar

import grpc

from tactful import _calls
from tactful._calls import DECIDE_TIMEOUT, TIMEOUT, Answer, Call, Lane
from tactful._connection import CHANNEL_OPTIONS, FilePath, Metadata, read_address
from tactful._decision import Decision, DecisionReference, ExplainLevel, Fallback, local_silence, to_request
from tactful._errors import TactfulError
from tactful._facts import Facts
from tactful._records import DenialStatus, OutcomeName
from tactful._retry import Attempts
from tactful._token_sync import Token, with_token
from tactful.v1.caller_pb2 import GetCallerResponse
from tactful.v1.consent_pb2 import ConsentSource, Standing
from tactful.v1.decision_pb2 import RecordResult

Stub = TypeVar("Stub")


class Client:
    """A client of one server. One is enough for a program, from all its threads.

    Connections are opened with the first call, and opened again when they were lost.
    """

    def __init__(
        self,
        url: str,
        *,
        token: Token | None = None,
        ca: FilePath | None = None,
        cert: FilePath | None = None,
        key: FilePath | None = None,
        decide_timeout: float = DECIDE_TIMEOUT,
        timeout: float = TIMEOUT,
    ) -> None:
        """Make a client of the server at an address such as `https://tactful.example:50051`.

        Args:
            url: the address, with `https://` for TLS.
            token: the token, or a function that returns the one to use now: it is called for each call.
            ca: file with the authorities to trust, PEM, if the server's is not a well-known one.
            cert: file with the client's own certificate, PEM.
            key: file with the key of `cert`, PEM.
            decide_timeout: how many seconds `decide` may take, retries included.
            timeout: how many seconds any other call may take, retries included.
        """
        self._address = read_address(url, ca, cert, key)
        self._token = token
        self._decide_timeout = decide_timeout
        self._timeout = timeout
        self._channels: dict[Lane, grpc.Channel] = {}

    def decide(
        self,
        customer_id: str,
        channel: str,
        context: Facts | None = None,
        *,
        request_id: str | None = None,
        max_actions: int = 1,
        groups: Sequence[str] = (),
        explain: ExplainLevel = "none",
        validate_only: bool = False,
        fallback: Fallback = "silence",
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> Decision:
        """Return the best next step now, or silence. It counts as a contact, once for all retries.

        If the server is late or cannot be reached, the answer is a silence that is `local`, unless `fallback` asks for
        the error.

        Args:
            customer_id: the customer.
            channel: where the conversation is: a channel of the rules.
            context: facts of this moment, by the names declared under `context`.
            request_id: your id of this question; a random one if left out. The same id returns the same decision.
            max_actions: the most steps you can show.
            groups: only actions of these groups.
            explain: how much the answer explains.
            validate_only: decide, but reserve, count and record nothing.
            fallback: what to do if there is no answer in time.
            timeout: how many seconds it may take, retries included.
            metadata: headers to send, such as `sec-gpc` of a visitor's request.

        Raises:
            TactfulError: the request is wrong, or the caller may not make it.
        """
        request = to_request(
            customer_id,
            channel,
            context,
            request_id=request_id or _calls.new_id(),
            max_actions=max_actions,
            groups=groups,
            explain=explain,
            validate_only=validate_only,
            fallback=fallback,
        )
        timeout = self._decide_timeout if timeout is None else timeout
        try:
            return self._call(_calls.decide(request), timeout, metadata)
        except TactfulError as error:
            if fallback == "error" or not error.is_outage:
                raise
            return local_silence(request, error, timeout)

    def record_outcome(
        self,
        decision: Decision | DecisionReference,
        outcome: OutcomeName,
        *,
        action_id: str | None = None,
        outcome_id: str | None = None,
        occurred_at: datetime | None = None,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> RecordResult:
        """Record what became of a step: `presented` confirms its contact, `not_presented` takes it back.

        Each outcome of a step counts once, however often it is recorded.

        Args:
            decision: the decision, or its ids.
            outcome: what became of the step.
            action_id: the step; needed if the decision has more than one.
            outcome_id: your id of the outcome; made of decision, step and outcome if left out.
            occurred_at: when it happened; now if left out.
            timeout: how many seconds it may take, retries included.
            metadata: headers to send.

        Raises:
            TactfulError: the outcome is refused.
        """
        call = _calls.record_outcome(decision, outcome, action_id, outcome_id, occurred_at)
        return self._call(call, timeout, metadata)

    def record_event(
        self,
        customer_id: str,
        event_type: str,
        fields: Facts | None = None,
        *,
        channel: str = "",
        event_id: str | None = None,
        occurred_at: datetime | None = None,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> RecordResult:
        """Record what a customer did.

        If the customer has allowed no purpose of the event, it is not stored, and `accepted` is false.

        Args:
            customer_id: the customer.
            event_type: what happened: an event of the rules, such as `page_view`.
            fields: details, by the names declared for the event.
            channel: the channel.
            event_id: your id of the event; a random one if left out. A repetition counts once.
            occurred_at: when it happened; now if left out.
            timeout: how many seconds it may take, retries included.
            metadata: headers to send.

        Raises:
            TactfulError: the event is wrong.
        """
        call = _calls.record_event(
            customer_id, event_type, fields, channel=channel, event_id=event_id, occurred_at=occurred_at
        )
        return self._call(call, timeout, metadata)

    def set_attributes(
        self,
        customer_id: str,
        attributes: Facts,
        *,
        time_zone: str = "",
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> list[str]:
        """Set what is known about a customer, and return the attributes that no purpose allows now: they were dropped.

        Attributes that are not named stay as they are; None removes one.

        Args:
            customer_id: the customer.
            attributes: attributes by their names in the rules, such as `customer.contract`.
            time_zone: the customer's time zone, for quiet hours, such as `Europe/Berlin`.
            timeout: how many seconds it may take, retries included.
            metadata: headers to send.

        Raises:
            TactfulError: an attribute is wrong; then none is set.
        """
        return self._call(_calls.set_attributes(customer_id, attributes, time_zone), timeout, metadata)

    def give_consent(
        self,
        customer_id: str,
        purpose: str,
        *,
        evidence: str = "",
        channel: str = "",
        actor: str = "",
        notice: str = "",
        language: str = "",
        expression: str = "",
        valid_until: datetime | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> Standing:
        """Record a yes. It is in force, and on the server's disk, when this returns.

        Args:
            customer_id: the customer.
            purpose: a purpose of the rules.
            evidence: the proof: the id of a form, a recording or a letter.
            channel: a channel, or another name of the place.
            actor: who acted, if not the customer.
            notice: the text that the customer was shown: its path in the rule files or its hash.
            language: the language it was shown in, such as `de-AT`.
            expression: how the customer expressed it, such as `ticked a box`.
            valid_until: the end of the yes, exclusive.
            idempotency_key: your id of this yes; a random one if left out. A repetition counts once.
            timeout: how many seconds it may take, retries included.
            metadata: headers to send.

        Raises:
            TactfulError: the yes is refused.
        """
        call = _calls.give_consent(
            customer_id,
            purpose,
            source=ConsentSource(channel=channel, actor=actor, evidence=evidence),
            notice=notice,
            language=language,
            expression=expression,
            valid_until=valid_until,
            idempotency_key=idempotency_key,
        )
        return self._call(call, timeout, metadata)

    def withdraw_consent(
        self,
        customer_id: str,
        purposes: Sequence[str] = (),
        *,
        status: DenialStatus = "withdrawn",
        evidence: str = "",
        channel: str = "",
        actor: str = "",
        timeout: float | None = None,
        metadata: Metadata = (),
    ) -> list[Standing]:
        """Record a no, for every decision that starts after this returns. A repetition is harmless.

        Args:
            customer_id: the customer.
            purposes: the purposes; every one that can be denied if left out.
            status: what the customer did.
            evidence: the proof: the id of a form, a recording or a letter.
            channel: a channel, or another name of the place.
            actor: who acted, if not the customer.
            timeout: how many seconds it may take, retries included.
            metadata: headers to send.

        Raises:
            TactfulError: the no is refused.
        """
        source = ConsentSource(channel=channel, actor=actor, evidence=evidence)
        return self._call(_calls.withdraw_consent(customer_id, purposes, status, source), timeout, metadata)

    def get_consent(self, customer_id: str, *, timeout: float | None = None, metadata: Metadata = ()) -> list[Standing]:
        """Return what one customer allows now: a standing for each purpose."""
        return self._call(_calls.get_consent(customer_id), timeout, metadata)

    def ready(self, *, timeout: float | None = None, metadata: Metadata = ()) -> GetCallerResponse:
        """Wait until the server answers, and return who the caller is to it.

        Call it when your program starts: then the first `decide` need not wait for the connection.

        Raises:
            TactfulError: the server cannot be reached, or does not know the token.
        """
        return self._call(_calls.ready(), timeout, metadata)

    def stub(self, service: Callable[[grpc.Channel], Stub]) -> Stub:
        """Return a generated stub of `tactful.v1`, such as `DecisionServiceStub`, for every other call.

        It sends the token; it has no deadline and does not retry.
        """
        return service(self._channel("calls"))

    def close(self) -> None:
        """Close the connections."""
        for channel in self._channels.values():
            channel.close()

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _call(self, call: Call[Answer], timeout: float | None, metadata: Metadata) -> Answer:
        attempts = Attempts(self._timeout if timeout is None else timeout)
        attempt = self._channel(call.lane).unary_unary(
            call.method,
            request_serializer=type(call.request).SerializeToString,
            response_deserializer=call.response.FromString,
        )
        while True:
            try:
                return call.read(attempt(call.request, timeout=attempts.left(), metadata=metadata))
            except grpc.RpcError as failed:
                error = TactfulError.from_rpc(failed)
            except TactfulError as refused:
                error = refused
            time.sleep(attempts.pause_after(error))

    def _channel(self, lane: Lane) -> grpc.Channel:
        channel = self._channels.get(lane)
        if channel is None:
            target, credentials = self._address.target, self._address.credentials
            if credentials is None:
                channel = grpc.insecure_channel(target, CHANNEL_OPTIONS)
            else:
                channel = grpc.secure_channel(target, credentials, CHANNEL_OPTIONS)
            if self._token is not None:
                channel = with_token(channel, self._token)
            channel = self._channels.setdefault(lane, channel)
        return channel
