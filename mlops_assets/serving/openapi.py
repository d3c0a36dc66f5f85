"""The service's description in OpenAPI 3.1, written from the contract of the version that answers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mlops_assets.governance.contract import Contract
from mlops_assets.serving.fields import LEAST, LONGEST_TEXT, MOMENT, MOST, MOST_NUMBER, Field
from mlops_assets.serving.request import MOST_EXPLAINED, MOST_ROWS, NAMED

TYPES: dict[str, dict[str, Any]] = {
    "string": {"type": ["string", "null"], "maxLength": LONGEST_TEXT},
    "integer": {"type": ["integer", "null"], "format": "int64", "minimum": LEAST, "maximum": MOST},
    "number": {
        "type": ["number", "null"],
        "format": "double",
        "minimum": -MOST_NUMBER,
        "maximum": MOST_NUMBER,
    },
    "boolean": {"type": ["boolean", "null"]},
    "timestamp": {"type": ["string", "null"], "format": "date-time", "pattern": f"^{MOMENT.pattern}$"},
}
REFUSALS = {
    "400": "The body is not JSON in UTF-8.",
    "401": "No token is shown, or it is good for nothing.",
    "403": "Whose token it is may not do this.",
    "408": "The body did not come in time.",
    "413": "The body is too large.",
    "415": "The content type is not application/json.",
    "422": "Fields are not as the contract has them; each is named by row.",
    "421": "Without a token only names of this machine are answered to.",
    "503": "Too much at once, or features, log or policy cannot be reached; Retry-After says when to come again.",
}
TEXT, WHOLE = {"type": "string"}, {"type": "integer"}
# Of rows that are explained there may be fewer.
EXPLAINED = {
    "if": {"properties": {"explain": {"const": True}}, "required": ["explain"]},
    "then": {"properties": {"rows": {"maxItems": MOST_EXPLAINED}}},
}


def openapi(contract: Contract, version: int, fields: Mapping[str, Field], *, token: bool) -> dict[str, Any]:
    """token: whether one must be shown."""
    schemas = _schemas(contract, fields)
    described: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {
            "title": contract.model,
            "version": f"{contract.edition}.{version}",
            "description": f"Owned by {contract.owner}. Ranges and categories are what training saw: a value outside "
            "of them is answered with a warning.",
        },
        "paths": _paths(),
        "components": {"schemas": schemas},
    }
    if token:
        described["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        described["security"] = [{"token": []}]
    return described


def _paths() -> dict[str, Any]:
    refused = {
        status: {"description": said, "content": _json("Refusal")} for status, said in REFUSALS.items()
    }
    predict = {
        "operationId": "predict",
        "summary": "The probability of the positive class, for each row.",
        "requestBody": {"required": True, "content": _json("Request")},
        "responses": {"200": {"description": "Answered.", "content": _json("Answer")}, **refused},
    }
    unauthorized = {status: refused[status] for status in ("401", "403", "503")}
    shown = {"description": "As it is.", "content": {"application/json": {"schema": {"type": "object"}}}}
    state = {"description": "What the service says of itself.", "content": _json("State")}
    return {
        "/predict": {"post": predict},
        "/health": {"get": _get("health", "Whether the process answers.", {"200": state}, open_to_all=True)},
        "/ready": {
            "get": _get("ready", "Whether it takes requests.", {"200": state, "503": state}, open_to_all=True)
        },
        "/contract": {
            "get": _get(
                "contract", "The contract of the version that answers.", {"200": shown, **unauthorized}
            )
        },
        "/openapi.json": {"get": _get("openapi", "This description.", {"200": shown, **unauthorized})},
        "/metrics": {
            "get": _get(
                "metrics",
                "Measures for Prometheus.",
                {
                    "200": {"description": "Measures.", "content": {"text/plain": {"schema": TEXT}}},
                    **unauthorized,
                },
            )
        },
    }


def _get(name: str, summary: str, responses: dict[str, Any], *, open_to_all: bool = False) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": name, "summary": summary, "responses": responses}
    return {**described, "security": []} if open_to_all else described


def _schemas(contract: Contract, fields: Mapping[str, Field]) -> dict[str, Any]:
    request = {
        "rows": {
            "type": "array",
            "minItems": 1,
            "maxItems": MOST_ROWS,
            "items": {"$ref": "#/components/schemas/Row"},
        },
        "request_id": {
            "type": "string",
            "pattern": f"^{NAMED.pattern}$",
            "description": "Of a request that is sent again; of those of a day with one id the first answer is kept.",
        },
        "explain": {"type": "boolean", "default": False},
    }
    finding = {"row": {"type": ["integer", "null"]}, "field": TEXT, "found": TEXT}
    explained = {
        column: {
            "type": "number",
            "description": "By how much the answer is higher than with this input as in the reference row.",
        }
        for column in contract.inputs
    }
    prediction = {
        "probability": {"type": "number", "minimum": 0, "maximum": 1},
        "explanation": {"type": "object", "properties": explained, "additionalProperties": False},
    }
    return {
        "Row": _object({name: _field(one) for name, one in fields.items()}),
        "Request": {**_object(request, required=["rows"]), **EXPLAINED},
        "Answer": _object(
            {
                "request_id": TEXT,
                "model": {"const": contract.model},
                "version": WHOLE,
                "predictions": {
                    "type": "array",
                    "items": _object(prediction, required=["probability"]),
                },
                "warnings": {"type": "array", "items": _object({**finding, "message": TEXT})},
                "warnings_in_all": WHOLE,
            }
        ),
        "Refusal": _object(
            {
                "request_id": TEXT,
                "error": TEXT,
                "message": TEXT,
                "errors": {"type": "array", "items": _object({**finding, "expected": TEXT})},
                "errors_in_all": WHOLE,
            }
        ),
        "State": _object(
            {
                "model": TEXT,
                "version": WHOLE,
                "tries": {"type": ["integer", "null"], "description": "The version that is tried beside it."},
                "engine": TEXT,
                "ready": {"type": "boolean"},
                "reasons": {"type": "array", "items": TEXT},
            }
        ),
    }


def _field(field: Field) -> dict[str, Any]:
    seen = field.seen
    if seen is None:
        return {**TYPES[field.type], "description": "Features are looked up by it."}
    if seen.categories is not None:
        shown = ", ".join(seen.categories[:10]) + (", …" if len(seen.categories) > 10 else "")
        told = f"Training saw {shown}."
    elif seen.low is not None and seen.high is not None and field.type != "timestamp":
        told = f"Training saw {seen.low:g} to {seen.high:g}."
    else:
        told = "An input of the model."
    return {**TYPES[field.type], "description": f"{told} Missing in {seen.missing:.1%} of the rows."}


def _object(properties: dict[str, Any], *, required: list[str] | None = None) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties) if required is None else required,
        "additionalProperties": False,
    }


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
