"""The scenario over grpc.aio, with gzip: python asyncio_client.py HOST:PORT CUSTOMER"""

import asyncio
import json
import pathlib
import sys

import grpc
from google.protobuf import json_format

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent / "python"))
import stubs  # noqa: E402

stubs.make()

from tactful.v1 import consent_pb2, decision_pb2, journey_pb2  # noqa: E402
from tactful.v1 import consent_pb2_grpc, decision_pb2_grpc, journey_pb2_grpc  # noqa: E402

SERVICES = {
    "DecisionService": (decision_pb2, decision_pb2_grpc.DecisionServiceStub),
    "ConsentService": (consent_pb2, consent_pb2_grpc.ConsentServiceStub),
    "JourneyService": (journey_pb2, journey_pb2_grpc.JourneyServiceStub),
}


def at(answer, path):
    for part in path.split("."):
        answer = answer[int(part)] if part.isdigit() else answer[part]
    return answer


async def main(target, customer):
    kept = ""
    async with grpc.aio.insecure_channel(target, compression=grpc.Compression.Gzip) as channel:
        for number, step in enumerate(json.loads((HERE / "scenario.json").read_text()), 1):
            service, method = step["call"].split("/")
            messages, stub = SERVICES[service]
            text = json.dumps(step["request"]).replace("CUSTOMER", customer).replace("KEPT", kept)
            request = json_format.Parse(text, getattr(messages, f"{method}Request")())
            try:
                answer = await getattr(stub(channel), method)(request, timeout=5)
                answer = json_format.MessageToDict(answer, always_print_fields_with_no_presence=True)
                seen = {path: at(answer, path) for path in step.get("expect", {})}
                code = "OK"
                kept = answer.get(step.get("keep"), kept)
            except grpc.aio.AioRpcError as error:
                seen, code = {}, error.code().name
            print(number, step["call"], code, json.dumps(seen, separators=(",", ":")))
            assert seen == step.get("expect", {}) and code == step.get("error", "OK"), step


asyncio.run(main(*sys.argv[1:3]))
