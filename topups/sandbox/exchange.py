"""The way of one API request: token, idempotency, faults, the transaction, the answer, the log."""

import os
import socket
import struct
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec
from flask import Response, g, request

from topups.sandbox import idempotency
from topups.sandbox.answers import Json
from topups.sandbox.entities import Exchange, Fault
from topups.sandbox.faults import REQUEST_ACTIONS, strike
from topups.sandbox.problems import Problem
from topups.sandbox.timeline import catch_up
from topups.sandbox.webhooks import post_id
from topups.sandbox.world import World, new_id, world

HAL = "application/hal+json"
LOG_LENGTH = 20_000
HTML_ERROR = "<html><head><title>{0}</title></head><body><center><h1>{0}</h1></center></body></html>\n"


@dataclass
class Answer:
    status: int
    body: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> Response:
        if self.body is None:
            return Response(status=self.status, headers=self.headers)
        return Response(
            msgspec.json.encode(self.body), status=self.status, headers=self.headers, content_type=HAL
        )


Handler = Callable[..., Answer]


class HungUp(Exception):
    """The connection is to be broken without an answer."""


def exchange(handler: Handler, **arguments: str) -> Response:
    """Answers one request, faults included; writes it to the log."""
    sandbox = world()
    facts = request_facts()
    fault = strike(sandbox, REQUEST_ACTIONS, facts)
    g.stale = fault is not None and fault.action == "stale"
    received_at = datetime.now(UTC)
    answer = Answer(0)
    try:
        answer = guarded(sandbox, fault, handler, arguments)
        return after(sandbox, fault, answer)
    finally:
        log(sandbox, facts, received_at, answer, fault)


def guarded(sandbox: World, fault: Fault | None, handler: Handler, arguments: dict[str, str]) -> Answer:
    try:
        token = authenticate()
        if request.method != "POST" or not (key := request.headers.get("Idempotency-Key")):
            return before(sandbox, fault) or execute(sandbox, handler, arguments)
        replay = idempotency.begin(
            sandbox, token, key, request_line=f"POST {request.full_path}", body=request.get_data()
        )
        if replay.status is not None:
            return before(sandbox, fault) or Answer(
                replay.status, replay.body, {"Idempotent-Replayed": "true"}
            )
        try:
            refusal = before(sandbox, fault)
            answer = refusal or execute(sandbox, handler, arguments)
        except BaseException:
            idempotency.release(sandbox, replay)
            raise
        if refusal:
            idempotency.release(sandbox, replay)
        else:
            idempotency.finish(sandbox, replay, answer.status, answer.body)
    except Problem as problem:
        return Answer(problem.status, problem.body())
    return answer


def authenticate() -> str:
    """The token of the request: any test key will do, a live key never."""
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    if scheme != "Bearer" or not token:
        raise Problem(401, "Missing authentication, or failed to authenticate")
    if token.startswith("live_"):
        raise Problem(401, "This is a sandbox: it refuses live keys")
    if not (token.startswith("test_") and token.isascii() and token.replace("_", "").isalnum()):
        raise Problem(401, "The API key is invalid: a test key looks like test_…")
    return token


def execute(sandbox: World, handler: Handler, arguments: dict[str, str]) -> Answer:
    try:
        with sandbox.store.transaction():
            catch_up(sandbox)
            return handler(sandbox, **arguments)
    except Problem as problem:
        return Answer(problem.status, problem.body())


def before(sandbox: World, fault: Fault | None) -> Answer | None:
    """What a fault does instead of executing, or ahead of it. Raises HungUp."""
    if fault is None:
        return None
    match fault.action:
        case "latency":
            sandbox.ended.wait(float(fault.parameters["seconds"]))
        case "drop":
            raise HungUp
        case "conflict":
            return Answer(409, Problem(409, "The request conflicts with another one.").body())
        case "status":
            return refusal(fault)
    return None


def refusal(fault: Fault) -> Answer:
    status = int(fault.parameters["status"])
    answer = Answer(status, Problem(status, "Something went wrong on purpose.").body())
    if fault.parameters["retry_after"] is not None:
        answer.headers["Retry-After"] = str(fault.parameters["retry_after"])
    if fault.parameters["html"]:
        answer.body = None
    return answer


def after(sandbox: World, fault: Fault | None, answer: Answer) -> Response:
    """The answer, or what a fault makes of it once the request was executed. Raises HungUp."""
    response = answer.response()
    response.call_on_close(sandbox.wake.set)
    if fault is None:
        return response
    match fault.action:
        case "reset_after":
            sandbox.wake.set()
            raise HungUp
        case "timeout_after":
            sandbox.wake.set()
            sandbox.ended.wait(float(fault.parameters["seconds"]))
            raise HungUp
        case "error_after":
            status = int(fault.parameters["status"])
            return Answer(status, Problem(status, "Something went wrong on purpose.").body()).response()
        case "truncate":
            whole = response.get_data()
            response.set_data(whole[: len(whole) // 2])
        case "status" if fault.parameters["html"]:
            response.set_data(HTML_ERROR.format(response.status))
            response.content_type = "text/html"
        case "webhook_before_answer" if answer.body and answer.body.get("webhookUrl"):
            call_at_once(answer.body)
    return response


def call_at_once(payment: Json) -> None:
    """The webhook arrives while the caller still waits for the answer. Its own delivery follows as usual."""
    try:
        post_id(payment["webhookUrl"], payment["id"])
    except OSError:
        return


def request_facts() -> dict[str, str]:
    return {
        "method": request.method,
        "path": request.path,
        "query": request.query_string.decode(errors="replace"),
        "body": request.get_data(as_text=True),
        "idempotency_key": request.headers.get("Idempotency-Key", ""),
    }


def log(
    sandbox: World, facts: dict[str, str], received_at: datetime, answer: Answer, fault: Fault | None
) -> None:
    try:
        body: Any = msgspec.json.decode(facts["body"]) if facts["body"] else None
    except msgspec.DecodeError:
        body = facts["body"]
    with sandbox.store.transaction():
        sandbox.store.add(
            Exchange(
                id=new_id("req_"),
                created_at=sandbox.now(),
                received_at=received_at,
                method=facts["method"],
                path=facts["path"],
                query=facts["query"],
                body=body,
                idempotency_key=facts["idempotency_key"] or None,
                status=answer.status,
                fault=fault.action if fault else None,
                replayed="Idempotent-Replayed" in answer.headers,
            )
        )
        sandbox.store.keep_newest(Exchange, LOG_LENGTH)


def hang_up(environ: Mapping[str, Any]) -> None:
    """Breaks the connection with a reset. The server finds a closed socket and lets it go."""
    connection = environ.get("werkzeug.socket")
    if isinstance(connection, socket.socket):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(connection.detach())
