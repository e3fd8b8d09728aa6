"""A client of Tactful, which picks the next step in the conversation with a customer, or silence.

>>> with Client("http://127.0.0.1:50051") as tactful:
...     decision = tactful.decide("anna", "web", {"topic": "speed"})

`Client` blocks; `AsyncClient` has the same methods for asyncio.
"""

from tactful._client import Client
from tactful._client_async import AsyncClient
from tactful._decision import Decision, DecisionReference, ExplainLevel, Fallback
from tactful._errors import FieldViolation, TactfulError
from tactful._facts import Fact, Facts
from tactful._records import DenialStatus, OutcomeName
from tactful.v1.common_pb2 import ResultCode
from tactful.v1.consent_pb2 import Standing
from tactful.v1.decision_pb2 import NextAction, RecordResult, Silence, SilenceReason

__all__ = [
    "AsyncClient",
    "Client",
    "Decision",
    "DecisionReference",
    "DenialStatus",
    "ExplainLevel",
    "Fact",
    "Facts",
    "Fallback",
    "FieldViolation",
    "NextAction",
    "OutcomeName",
    "RecordResult",
    "ResultCode",
    "Silence",
    "SilenceReason",
    "Standing",
    "TactfulError",
]
