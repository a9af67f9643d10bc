"""What the listener of webhooks takes and answers, as an OpenAPI 3.1 document: what the listener is fuzzed by, and judged by."""

from collections.abc import Iterable
from typing import Any

from mainspring.domain.triggers.webhooks.webhook import ResponseMode
from mainspring.integrations.verifiers import find_verifier
from mainspring.triggers.trigger_cache import CachedTrigger
from mainspring.web.webhooks.webhook_table import WebhookEntry

_LOCAL = "#/$defs/"
_PARTS = "#/components/schemas/"
_IDS = {
    "type": "object",
    "properties": {"run": {"type": ["string", "null"]}, "delivery": {"type": "string"}},
    "required": ["run", "delivery"],
    "additionalProperties": False,
}
_RESULT = {
    "type": "object",
    "properties": {
        "run": {"type": ["string", "null"]},
        "delivery": {"type": "string"},
        "state": {"enum": ["succeeded", "filtered", "dropped"]},
        "result": {},
    },
    "required": ["run", "delivery", "state", "result"],
}
_PROBLEM = {
    "type": "object",
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "at": {"type": "string", "description": "the place inside the body, as a JSON path"},
    },
    "required": ["type", "title", "status", "code", "detail"],
}
_REFUSALS = {
    "400": "it is not JSON in UTF-8, or its lengths disagree",
    "401": "it is not from whom it should be, or too old",
    "404": "there is nothing at this path any more",
    "408": "the body did not arrive in time",
    "409": "the key came before, with another body",
    "413": "the body is too large",
    "415": "the body is not JSON, or not sent as JSON",
    "422": "the body does not fit what is started",
    "429": "too many requests: see Retry-After",
    "431": "too many headers, or too long ones",
    "500": "the run failed, or this is a bug of Mainspring",
    "503": "it cannot be stored now: see Retry-After; what is sent again counts once",
}


def openapi(hooks: Iterable[WebhookEntry], url: str, version: str) -> dict[str, Any]:
    """Return the document of these webhooks; `url` = where senders reach the listener."""
    ordered = sorted(hooks, key=lambda hook: hook.webhook.path)
    parts: dict[str, Any] = {"Problem": _PROBLEM, "Ids": _IDS}
    schemes: dict[str, Any] = {}
    paths: dict[str, Any] = {"/healthz": {"get": {"summary": "it lives", "responses": {"200": {"description": "ok"}}}}}
    for hook in ordered:
        schemes.update(_scheme(hook))
        paths[hook.webhook.path] = {"post": _operation(hook, parts)}
    return {
        "openapi": "3.1.0",
        "info": {"title": "Webhooks", "version": version},
        "servers": [{"url": url}],
        "paths": paths,
        "components": {"schemas": parts, "securitySchemes": schemes},
    }


def _operation(hook: WebhookEntry, parts: dict[str, Any]) -> dict[str, Any]:
    schema = _data_schema(hook.known) or {}
    prefix = hook.trigger.replace("/", ".").replace("#", "-")
    for name, part in schema.pop("$defs", {}).items():
        parts[f"{prefix}.{name}"] = _moved(part, prefix)
    responses: dict[str, Any] = {
        status: {"description": words, "content": _content("application/problem+json", {"$ref": f"{_PARTS}Problem"})}
        for status, words in _REFUSALS.items()
    }
    ids = {"$ref": f"{_PARTS}Ids"}
    match hook.webhook.respond:
        case ResponseMode.NOTHING:
            responses["200"] = {"description": "it is stored"}
        case ResponseMode.RESULT:
            responses["200"] = {
                "description": "the run succeeded, or none is started",
                "content": _content("application/json", _RESULT),
            }
            responses["202"] = {
                "description": "it is stored, the run goes on",
                "content": _content("application/json", ids),
            }
        case ResponseMode.RUN:
            responses["202"] = {"description": "it is stored", "content": _content("application/json", ids)}
            if hook.webhook.verify.kind == "github":
                responses["200"] = {"description": "a ping is answered"}
    return {
        "operationId": prefix,
        "summary": f"start by {hook.trigger}",
        "security": [{prefix: []}] if _scheme(hook) else [],
        "requestBody": {"required": True, "content": _content("application/json", _moved(schema, prefix))},
        "responses": dict(sorted(responses.items())),
    }


def _content(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {kind: {"schema": schema}}


def _moved(value: Any, prefix: str) -> Any:
    """Return a schema whose references lead to the parts of the document: the names of two automations may be the same."""
    if isinstance(value, dict):
        return {key: _moved(item, prefix) for key, item in value.items()}
    if isinstance(value, list):
        return [_moved(item, prefix) for item in value]
    if isinstance(value, str) and value.startswith(_LOCAL):
        return f"{_PARTS}{prefix}.{value.removeprefix(_LOCAL)}"
    return value


def _scheme(hook: WebhookEntry) -> dict[str, Any]:
    prefix = hook.trigger.replace("/", ".").replace("#", "-")
    options = hook.webhook.verify
    verifier = find_verifier(options.kind)
    if not verifier.checks_sender:
        return {}
    header = (verifier.secret_headers(options) + verifier.signature_headers(options))[0]
    if header == "authorization":
        return {prefix: {"type": "http", "scheme": "bearer"}}
    return {prefix: {"type": "apiKey", "in": "header", "name": header}}


def _data_schema(known: CachedTrigger) -> dict[str, Any] | None:
    """Return the schema of what arrives for a trigger; None where its automation takes anything.

    With a filter it is None too: what the filter would leave out need not fit.
    """
    reading, arguments = known.trigger.reading, known.definition.parameters
    parts = {"$defs": arguments["$defs"]} if "$defs" in arguments else {}
    fields: dict[str, Any] = arguments.get("properties", {})
    if known.trigger.filtered:
        return None
    if reading.how == "fields":
        return {"type": "object", "properties": fields, "required": arguments.get("required", []), **parts}
    if reading.how != "data" or reading.parameter not in fields:
        return None
    schema = fields[reading.parameter]
    if reading.many:
        schema = schema.get("items", True)
    return {**schema, **parts} if isinstance(schema, dict) else None
