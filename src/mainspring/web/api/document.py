"""The API document in OpenAPI 3.1, built from the route table, so that it lists exactly the routes that exist."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, get_origin

import msgspec

from mainspring.web.api.problem import CODES, CONTENT_TYPE, Problem
from mainspring.web.api.request_parsing import LONGEST_KEY
from mainspring.web.api.response_types import ResponseTypes
from mainspring.web.api.route import BASE, ApiRoute
from mainspring.web.api.schema_names import rename_schemas

_PARTS: Final = "#/components/schemas/{name}"
_PROBLEM: Final = {"$ref": _PARTS.format(name="Problem")}
_REFUSALS: Final = {
    400: "the request is not valid",
    401: "the request has no valid token or session",
    403: "the role does not allow this",
    404: "it does not exist, or you may not see it",
    408: "the body did not arrive in time",
    409: "it conflicts with the present state",
    410: "the records after this position were deleted: `at` = the first that is stored",
    413: "the body is too large",
    415: "the body is not JSON, or not sent as JSON",
    422: "a value is not valid",
    429: "too many requests: see Retry-After",
    500: "a bug of Mainspring",
    503: "the store is unavailable: see Retry-After",
}
_UNSATISFIABLE: Final = {416: "no byte of the file is in the range"}
_RANGE_HEADERS: Final = {
    "Range": "one range of bytes: `bytes=FIRST-`, `bytes=FIRST-LAST` or `bytes=-LENGTH`",
    "If-Range": "the `ETag` of the file: without a match all bytes are sent",
}
_COMMAND: Final = {"type": "string", "pattern": f"^[A-Za-z0-9_][A-Za-z0-9_.:@-]{{0,{LONGEST_KEY - 1}}}$"}
_STREAM: Final = 'server-sent events `changed`, whose data is {"nouns": [...]}; comments keep the stream alive'


def build_document(routes: Sequence[ApiRoute], version: str, url: str = "/") -> dict[str, Any]:
    """Return the document of these routes; `url` = the address of the web process for its clients."""
    response_types = ResponseTypes()
    kinds: list[Any] = [Problem]
    for route in routes:
        kinds += [
            response_types.of(route.response_type),
            *([route.request_type] if route.request_type is not None else []),
        ]
    # Through JSON and back: a default may be a tuple, which is no array to a validator.
    schemas, parts = rename_schemas(
        msgspec.json.decode(msgspec.json.encode(msgspec.json.schema_components(kinds, ref_template=_PARTS)))
    )
    built_schemas = iter(schemas[1:])
    paths: dict[str, Any] = {}
    for route in routes:
        response_schema = next(built_schemas)
        request_schema = next(built_schemas) if route.request_type is not None else None
        paths.setdefault(f"{BASE}{route.path}", {})[route.method.lower()] = _build_operation(
            route, response_schema, request_schema
        )
    paths[f"{BASE}/changes"] = {
        "get": _plain_operation("changes.stream", "Stream the names of what changed.", "text/event-stream", _STREAM)
    }
    paths[f"{BASE}/openapi.json"] = {
        "get": _plain_operation("document.document", "Return this document.", "application/json", "this document")
    }
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Mainspring",
            "version": version,
            "description": f"Codes of problems, besides those of errors: {', '.join(sorted(CODES))}.",
        },
        "servers": [{"url": url}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {
            "schemas": parts,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _build_operation(
    route: ApiRoute, response_schema: dict[str, Any], request_schema: dict[str, Any] | None
) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": route.id,
        "summary": route.line,
        "tags": [route.path.split("/")[1]],
        "x-least-role": route.role.value,
        "parameters": list(_list_parameters(route)),
        "responses": _build_download_responses() if route.is_download else _build_responses(response_schema),
    }
    if route.request_type is not None and request_schema is not None:
        is_needed = any(field.required for field in msgspec.structs.fields(route.request_type))
        operation["requestBody"] = {"required": is_needed, "content": {"application/json": {"schema": request_schema}}}
    return operation


def _list_parameters(route: ApiRoute) -> Iterator[dict[str, Any]]:
    for name in route.names:
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string", "minLength": 1}}
    if route.request_type is not None:
        description = (
            "the command id of the operation: a request with an id that was sent before is answered as "
            "before and does nothing again"
        )
        yield {"name": "Idempotency-Key", "in": "header", "description": description, "schema": _COMMAND}
    for name, description in _RANGE_HEADERS.items() if route.is_download else ():
        yield {"name": name, "in": "header", "description": description, "schema": {"type": "string"}}
    fields = () if route.query is None else msgspec.structs.fields(route.query)
    for field in fields:
        schema: dict[str, Any] = rename_schemas(msgspec.json.schema(field.type))
        schema = _inline_references(schema, schema.pop("$defs", {}))
        if get_origin(field.type) is not tuple and "anyOf" in schema:  # a query says null by leaving the parameter out
            choices = [choice for choice in schema["anyOf"] if choice != {"type": "null"}]
            schema = choices[0] if len(choices) == 1 else {"anyOf": choices}
        yield {"name": field.encode_name, "in": "query", "required": field.required, "schema": schema, "explode": True}


def _inline_references(schema: Any, parts: dict[str, Any]) -> Any:
    """Return a schema without references: those of a query are enumerations."""
    if isinstance(schema, dict):
        if "$ref" in schema:
            return _inline_references(parts[schema["$ref"].rpartition("/")[2]], parts)
        return {key: _inline_references(value, parts) for key, value in schema.items()}
    return [_inline_references(item, parts) for item in schema] if isinstance(schema, list) else schema


def _build_responses(response_schema: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": response_schema}}
    return {"200": {"description": "done", "content": content}, **_error_responses(_REFUSALS)}


def _build_download_responses() -> dict[str, Any]:
    content = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
    return {
        "200": {"description": "the bytes of the file", "content": content},
        "206": {"description": "the bytes of the range", "content": content},
        **_error_responses({*_REFUSALS, 416}),
    }


def _error_responses(statuses: Iterable[int]) -> dict[str, Any]:
    content = {CONTENT_TYPE: {"schema": _PROBLEM}}
    descriptions = _REFUSALS | _UNSATISFIABLE
    return {str(status): {"description": descriptions[status], "content": content} for status in statuses}


def _plain_operation(id: str, line: str, kind: str, description: str) -> dict[str, Any]:
    return {
        "operationId": id,
        "summary": line,
        "responses": {
            "200": {"description": description, "content": {kind: {"schema": {}}}},
            **_error_responses((400, 401, 429, 500, 503)),
        },
    }
