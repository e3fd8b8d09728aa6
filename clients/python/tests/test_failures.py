"""What a client does when the server is late, gone or busy, or refuses."""

import asyncio
import inspect
import re
import threading
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import grpc
import pytest
from conftest import Connect
from grpc import StatusCode
from support import PATIENCE, Proxy, closed_port, mute, new_token, serve

from tactful import AsyncClient, Client, DecisionReference, TactfulError
from tactful._errors import TactfulError as Error
from tactful._records import standings
from tactful._retry import Attempts
from tactful.v1 import common_pb2, consent_pb2, decision_pb2
from tactful.v1.decision_pb2 import ListDecisionsRequest
from tactful.v1.decision_pb2_grpc import DecisionServiceStub
from tactful.v1.journey_pb2 import GetCustomerRequest
from tactful.v1.journey_pb2_grpc import JourneyServiceStub

CONTEXT = {"topic": "speed", "activity": "browsing"}


def test_a_retry_after_a_cut_connection_counts_once(connect: Connect, server: int, customer: str) -> None:
    proxy = Proxy(server, cuts=2)
    client = connect(proxy.port)
    decision = client.decide(customer, "web", CONTEXT, timeout=PATIENCE, fallback="error")
    assert decision.action is not None
    assert proxy.cuts == 0
    assert proxy.connections == 3
    # Read with stubs of a Client: `stub` of an AsyncClient gives awaitables.
    with Client(f"http://127.0.0.1:{server}") as reader:
        kept = reader.stub(DecisionServiceStub).ListDecisions(ListDecisionsRequest(customer_id=customer))
        held = reader.stub(JourneyServiceStub).GetCustomer(GetCustomerRequest(customer_id=customer))
    assert [past.decision.decision_id for past in kept.decisions] == [decision.decision_id]
    assert {limit.used for limit in held.limits} <= {0, 1}
    assert any(limit.used for limit in held.limits)

    proxy.cuts = 1
    outcome = client.record_outcome(decision, "presented", timeout=PATIENCE)
    assert outcome.accepted
    assert outcome.code == common_pb2.RESULT_CODE_REPEATED

    proxy.cuts = 1
    standing = client.give_consent(customer, "personalisation", evidence="form-1", timeout=PATIENCE)
    assert standing.usable

    proxy.cuts = 1
    event = client.record_event(customer, "page_view", {"page": "fibre"}, timeout=PATIENCE)
    assert event.code == common_pb2.RESULT_CODE_REPEATED
    proxy.close()


def test_a_late_server_gives_silence(connect: Connect, server: int, customer: str) -> None:
    proxy = Proxy(server, silent=True)
    with mute() as port:
        for late in (proxy.port, port):
            client = connect(late, decide_timeout=0.1)
            decision = client.decide(customer, "web", CONTEXT, request_id="r-1", validate_only=True)
            assert decision.local
            assert decision.silence is not None
            assert decision.silence.reason == decision_pb2.SILENCE_REASON_TOO_LATE
            assert decision.silence.detail == "the server did not answer in 100 ms"
            assert (decision.customer_id, decision.request_id, decision.decision_id) == (customer, "r-1", "")
            assert decision.action is None
            with pytest.raises(ValueError, match="no id"):
                client.record_outcome(decision, "presented")
            with pytest.raises(TactfulError) as caught:
                client.decide(customer, "web", CONTEXT, fallback="error")
            assert caught.value.code is StatusCode.DEADLINE_EXCEEDED
    proxy.close()


def test_a_server_that_is_gone_gives_silence(connect: Connect, customer: str) -> None:
    client = connect(closed_port(), decide_timeout=1)
    decision = client.decide(customer, "web", CONTEXT)
    assert decision.local
    assert decision.silence is not None
    assert decision.silence.reason == decision_pb2.SILENCE_REASON_UNAVAILABLE
    assert decision.error is not None
    assert decision.error.code is StatusCode.UNAVAILABLE
    with pytest.raises(TactfulError) as caught:
        client.ready(timeout=1)
    assert caught.value.code is StatusCode.UNAVAILABLE


def test_the_delay_of_a_busy_server_is_kept(connect: Connect, tmp_path: Path, tokens: Path) -> None:
    token = new_token(tokens, "--scope", "decide", "--rate", "1", "--burst", "1")
    with serve(tmp_path, "--tokens", str(tokens)) as port:
        client = connect(port, token=token)
        for _ in range(2):
            assert not client.decide("anna", "web", CONTEXT, validate_only=True, timeout=PATIENCE).local
        decision = client.decide("anna", "web", CONTEXT, validate_only=True, timeout=0.5)
        assert decision.silence is not None
        assert decision.silence.reason == decision_pb2.SILENCE_REASON_OVERLOADED
        assert decision.error is not None
        assert decision.error.reason == "RATE_LIMITED"
        assert decision.error.retry_delay is not None
        assert decision.silence.HasField("retry_after")


def test_attempts_keep_the_delay_and_the_deadline() -> None:
    assert Attempts(10).pause_after(Error("busy", StatusCode.RESOURCE_EXHAUSTED, retry_delay=3)) == 3
    assert Attempts(10).pause_after(Error("gone", StatusCode.UNAVAILABLE)) <= 0.025
    for final in (
        Error("busy", StatusCode.RESOURCE_EXHAUSTED, retry_delay=11),
        Error("busy", StatusCode.RESOURCE_EXHAUSTED),
        Error("wrong", StatusCode.INVALID_ARGUMENT),
    ):
        with pytest.raises(Error, match=str(final)):
            Attempts(10).pause_after(final)
    attempts = Attempts(10)
    attempts.pause_after(Error("gone", StatusCode.UNAVAILABLE))
    with pytest.raises(Error, match="gone"):
        attempts.pause_after(Error("late", StatusCode.DEADLINE_EXCEEDED))


def test_attempts_share_one_time(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    attempts = Attempts(10)
    assert attempts.left() == 10
    now = 104.0
    assert attempts.left() == 6
    now = 109.99
    with pytest.raises(Error, match="busy"):
        attempts.pause_after(Error("busy", StatusCode.RESOURCE_EXHAUSTED, retry_delay=0.5))
    now = 111.0
    assert 0 < attempts.left() < 0.01
    with pytest.raises(Error, match="gone"):
        attempts.pause_after(Error("gone", StatusCode.UNAVAILABLE))


def test_an_error_has_its_cause(connect: Connect, server: int, customer: str) -> None:
    with pytest.raises(TactfulError) as caught:
        connect(server).decide(customer, "fax", timeout=PATIENCE)
    assert isinstance(caught.value.__cause__, grpc.RpcError)


def test_a_code_of_a_newer_server_can_be_read() -> None:
    code: Any = 99
    refused = consent_pb2.ConsentResult(accepted=False, reason="not today", code=code)
    with pytest.raises(TactfulError, match="not today") as caught:
        standings([refused])
    assert (caught.value.code, caught.value.reason) == (StatusCode.FAILED_PRECONDITION, "")


def test_withdrawals_have_a_connection_of_their_own(connect: Connect, server: int, customer: str) -> None:
    proxy = Proxy(server)
    client = connect(proxy.port)
    client.get_consent(customer)
    client.give_consent(customer, "personalisation", evidence="form-3")
    assert proxy.connections == 1
    client.withdraw_consent(customer)
    assert proxy.connections == 2
    proxy.close()


def test_a_wrong_request_is_an_error(connect: Connect, server: int, customer: str) -> None:
    client = connect(server)
    with pytest.raises(TactfulError) as caught:
        client.decide(customer, "fax", timeout=PATIENCE)
    error = caught.value
    assert (error.code, error.reason) == (StatusCode.INVALID_ARGUMENT, "UNKNOWN_CHANNEL")
    assert [violation.field for violation in error.fields] == ["channel"]
    with pytest.raises(TactfulError) as caught:
        client.record_event(customer, "page_vew")
    assert caught.value.reason == "UNKNOWN_NAME"
    with pytest.raises(TactfulError):
        client.withdraw_consent(customer, ["personalization"])
    with pytest.raises(TypeError, match="list"):
        client.withdraw_consent(customer, "personalisation")
    with pytest.raises(TypeError, match="list"):
        client.decide(customer, "web", groups="fibre")
    word: Any = "none such"
    with pytest.raises(ValueError, match="none, funnel, full"):
        client.decide(customer, "web", explain=word)
    with pytest.raises(ValueError, match="objected"):
        client.withdraw_consent(customer, status=word)
    wrong: Any = {"topic": object()}
    with pytest.raises(TypeError, match="topic"):
        client.decide(customer, "web", wrong)
    with pytest.raises(ValueError, match="time zone"):
        client.decide(customer, "web", {"since": datetime(2026, 1, 1)})


def test_a_mistake_is_never_silence(connect: Connect) -> None:
    client: Any = connect(closed_port())
    with pytest.raises(TypeError, match="`topic` is a list that has not only str"):
        client.decide("anna", "web", {"topic": ["a", 1]})
    with pytest.raises(ValueError, match="`topic` is too large"):
        client.decide("anna", "web", {"topic": 10**400})
    with pytest.raises(TypeError, match="`groups` is a list"):
        client.decide("anna", "web", groups="offers")
    with pytest.raises(ValueError, match="`all` is no level of explanation: use one of none, funnel, full"):
        client.decide("anna", "web", explain="all")
    with pytest.raises(ValueError, match="`none` is no fallback: use one of silence, error"):
        client.decide("anna", "web", fallback="none")
    with pytest.raises(ValueError, match="`gone` is no denial: use one of withdrawn"):
        client.withdraw_consent("anna", status="gone")
    with pytest.raises(TypeError, match="evidance"):
        client.give_consent("anna", "personalisation", evidance="form-1")


async def test_a_task_that_is_cancelled_ends_its_call() -> None:
    with mute() as port:
        async with AsyncClient(f"http://127.0.0.1:{port}") as client:
            asked = asyncio.ensure_future(client.decide("anna", "web", timeout=PATIENCE))
            await asyncio.sleep(0)
            asked.cancel()
            with pytest.raises(asyncio.CancelledError):
                await asked


async def test_many_tasks_share_a_client(server: int) -> None:
    async with AsyncClient(f"http://127.0.0.1:{server}") as client:
        asked = [client.decide(f"task-{number}", "web", CONTEXT, timeout=PATIENCE) for number in range(50)]
        assert not any(decision.local for decision in await asyncio.gather(*asked))


def test_what_the_customer_has_not_allowed_is_an_answer(connect: Connect, server: int, customer: str) -> None:
    client = connect(server)
    event = client.record_event(customer, "page_view", {"page": "fibre"})
    assert (event.accepted, event.code) == (False, common_pb2.RESULT_CODE_NO_LAWFUL_PURPOSE)
    assert client.set_attributes(customer, {"customer.age": 34}) == ["customer.age"]


def test_days_later_the_ids_are_enough(connect: Connect, server: int, customer: str) -> None:
    client = connect(server)
    decision = client.decide(customer, "web", CONTEXT, timeout=PATIENCE)
    assert decision.action is not None
    assert decision.valid_until is not None
    reference = DecisionReference(decision.decision_id, customer)
    with pytest.raises(ValueError, match="action_id"):
        client.record_outcome(reference, "accepted")
    now = datetime.now(timezone.utc) - timedelta(seconds=1)
    assert client.record_outcome(reference, "clicked", action_id=decision.action.action_id, occurred_at=now).accepted


def test_the_same_question_has_the_same_answer(connect: Connect, server: int, customer: str) -> None:
    client = connect(server)
    first = client.decide(customer, "web", CONTEXT, request_id="r-1", explain="full", timeout=PATIENCE)
    again = client.decide(customer, "web", CONTEXT, request_id="r-1", explain="full", timeout=PATIENCE)
    assert first.decision_id == again.decision_id
    assert first.response.explanation.candidates


def test_both_clients_have_the_same_methods() -> None:
    def methods(kind: type) -> dict[str, str]:
        def signature(method: Callable[..., object]) -> str:
            return re.sub(r"grpc\.aio\.|grpc\.", "", str(inspect.signature(method)))

        public = inspect.getmembers(kind, inspect.isfunction)
        return {name: signature(method) for name, method in public if not name.startswith("_")}

    assert methods(Client) == methods(AsyncClient)


def test_many_threads_share_a_client(server: int, customer: str) -> None:
    with Client(f"http://127.0.0.1:{server}") as client:
        ids: list[str] = []

        def ask() -> None:
            ids.append(client.decide(customer, "web", CONTEXT, request_id="r-1", timeout=PATIENCE).decision_id)

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(ids) == 8
        assert len(set(ids)) == 1
