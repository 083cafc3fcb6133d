"""The published documents against their own standards, and against the code they speak of."""

import ast
import gzip
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from jsonschema import Draft7Validator, Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from models.errors import DomainError
from models.messages import iso
from tests import documents
from tests.conftest import ROOT
from web import create_app
from web.documents import codes, frames, openapi, pages
from web.socket import handshake, reader, session, websocket

# The official schema, from version 6.11.1 of the npm package @asyncapi/specs (Apache-2.0).
ASYNCAPI = Path(__file__).parent / "data/asyncapi-3.1.0.json.gz"

# What puts a frame on its way, with the frame's name among its first three arguments.
SENDERS = {"Message", "notify", "_send_own", "_confirm", "offer_ended"}


def kinds(kind: type[DomainError] = DomainError) -> list[type[DomainError]]:
    return [kind, *(below for narrower in kind.__subclasses__() for below in kinds(narrower))]


def bodies() -> list[Any]:
    return [
        pytest.param(body["schema"], example["value"], id=f"{operation['operationId']}-{name}")
        for methods in documents.of_http()["paths"].values()
        for operation in methods.values()
        for body in operation.get("requestBody", {}).get("content", {}).values()
        for name, example in body["examples"].items()
    ]


def test_openapi_is_valid_by_its_own_standard() -> None:
    errors = list(OpenAPIV31SpecValidator(documents.of_http()).iter_errors())
    assert errors == []


def test_asyncapi_is_valid_by_the_official_schema() -> None:
    schema = json.loads(gzip.decompress(ASYNCAPI.read_bytes()))
    errors = [error.message for error in Draft7Validator(schema).iter_errors(documents.of_socket())]
    assert errors == []


@pytest.mark.parametrize(
    "document", [documents.of_http(), documents.of_socket()], ids=["openapi", "asyncapi"]
)
def test_every_reference_leads_somewhere(document: documents.Document) -> None:
    references = set(re.findall(r'"\$ref": "#/([^"]+)"', json.dumps(document)))
    assert len(references) > 40
    for reference in references:
        found: Any = document
        for part in reference.split("/"):
            found = found[part]


def test_every_link_takes_an_id_that_is_always_there_to_a_route_that_asks_for_it() -> None:
    document = documents.of_http()
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    asked = {
        operation["operationId"]: {
            said["name"] for said in operation.get("parameters", []) if said["in"] == "path"
        }
        for operation in operations
    }
    links = [
        (response["content"]["application/json"]["schema"], link)
        for operation in operations
        for response in operation["responses"].values()
        for link in response.get("links", {}).values()
    ]
    assert len(links) > 20
    for answer, link in links:
        assert link["parameters"].keys() == asked[link["operationId"]]
        for expression in link["parameters"].values():
            found = answer
            for name in expression.removeprefix("$response.body#/").split("/"):
                assert name in found["required"]
                found = found["properties"][name]
                if "$ref" in found:
                    found = document["components"]["schemas"][found["$ref"].rpartition("/")[2]]
            assert found["format"] == "uuid"


@pytest.mark.parametrize(("schema", "example"), bodies())
def test_every_body_that_is_shown_fits_its_schema(schema: documents.Document, example: Any) -> None:
    root = schema | {"components": documents.of_http()["components"]}
    Draft202012Validator(root).validate(example)


def test_every_error_shown_has_the_shape_of_errors() -> None:
    document = documents.of_http()
    shown = [
        (response["content"]["application/json"]["schema"], example["value"])
        for methods in document["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status >= "400"
        for example in response["content"]["application/json"]["examples"].values()
    ]
    assert len(shown) > 100
    for schema, example in shown:
        Draft202012Validator(schema | {"components": document["components"]}).validate(example)


@pytest.mark.parametrize("kind", kinds(), ids=lambda kind: str(kind.__name__))
def test_every_error_of_the_domain_is_in_the_table_with_its_own_advice(kind: type[DomainError]) -> None:
    assert {"message", "advice"} <= set(vars(kind))
    assert f"| `{kind.code}` |" in documents.of_http()["info"]["description"]
    assert codes.table()[kind.code].advice == kind.advice


def test_every_status_of_a_code_is_the_answered_one() -> None:
    for path, methods in documents.of_http()["paths"].items():
        for method, operation in methods.items():
            for status, response in operation["responses"].items():
                for code in re.findall(r"`([A-Z_]+)`:", response["description"]):
                    assert codes.table()[code].status == int(status), f"{method} {path}"


def test_every_route_says_what_its_role_means() -> None:
    views: dict[str, Any] = create_app().view_functions
    for methods in documents.of_http()["paths"].values():
        for operation in methods.values():
            roles = views[
                operation["operationId"].replace("_", ".", 1)
                if operation["operationId"] != "socket"
                else "socket"
            ].roles
            assert operation["security"] == ([{"token": list(roles)}] if roles else [])
            assert bool(roles) == ("401" in operation["responses"])


def test_what_apps_may_send_on_the_socket_is_what_is_documented() -> None:
    assert set(reader.DRIVER_ACTIONS) == {frame.name for frame in frames.FROM_DRIVERS}
    assert set(reader.ACTIONS) == {frame.name for frame in frames.FROM_CUSTOMERS}


def test_every_frame_that_the_code_sends_is_documented() -> None:
    told = {frame.name for frame in (*frames.TO_DRIVERS, *frames.TO_CUSTOMERS)}
    sent = set()
    for path in [*(ROOT / "workers").rglob("*.py"), *(ROOT / "web").rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and getattr(node.func, "id", getattr(node.func, "attr", "")) in SENDERS
            ):
                sent |= {argument.value for argument in node.args[:3] if isinstance(argument, ast.Constant)}
    assert {"new_broadcast", "trip_assigned", "truck_confirmed", "order_cancelled", "error"} <= sent
    assert sent <= told


def test_every_close_code_in_the_code_is_documented() -> None:
    used = {
        value[0]
        for module in (session, handshake, reader)
        for value in vars(module).values()
        if isinstance(value, tuple) and len(value) == 2 and isinstance(value[0], int) and value[0] >= 1000
    }
    framing = Path(websocket.__file__).read_text()
    used |= {int(code) for code in re.findall(r"CloseConnection\((1\d{3})", framing)}
    # 1000 only answers those who leave.
    assert used - {1000} == set(frames.CLOSE_CODES)


def test_the_pages_load_nothing_from_elsewhere_and_no_script_inside() -> None:
    client = create_app().test_client()
    for path in ("/docs", "/docs/", "/asyncapi"):
        page = client.get(path)
        assert page.status_code == 200
        assert page.headers["Content-Security-Policy"] == pages.POLICY
        assert not re.search(r"<script>|(?:src|href)=\"(?!/)", page.text)
    for path in re.findall(r'(?:src|href)="(/[^"]+)"', client.get("/docs").text):
        with client.get(path) as file:
            assert file.status_code == 200, path
    with client.get("/docs/swagger-ui.css") as style:
        assert not re.search(r"url\((?!\"?data:|#)", style.get_data(as_text=True))


def test_nothing_else_of_the_wheel_is_served() -> None:
    client = create_app().test_client()
    for name in ("index.css", "oauth2-redirect.html", "..%2f__init__.py", "pages.py"):
        answer = client.get(f"/docs/{name}")
        assert answer.status_code == 404
        assert answer.json is not None
        assert answer.json["error"]["code"] == "NOT_FOUND"


def test_a_file_that_has_not_changed_is_not_sent_again() -> None:
    client = create_app().test_client()
    with client.get("/docs/swagger-ui.css") as first:
        known = {"If-None-Match": first.headers["ETag"]}
    with client.get("/docs/swagger-ui.css", headers=known) as again:
        assert again.status_code == 304


def test_the_page_of_the_socket_shows_every_frame_type_and_close_code() -> None:
    page = create_app().test_client().get("/asyncapi").text
    for frame in (*frames.TO_DRIVERS, *frames.TO_CUSTOMERS, *frames.FROM_DRIVERS, *frames.FROM_CUSTOMERS):
        assert f"<h3>{frame.name}</h3>" in page
    for code in frames.CLOSE_CODES:
        assert f"<td>{code}</td>" in page
    for named in re.findall(r"<td>(?:list of )?([A-Z]\w+)(?: or null)?</td>", page):
        assert f"<h3>{named}</h3>" in page


def test_the_document_names_the_host_that_was_asked() -> None:
    client = create_app().test_client()
    found = client.get("/asyncapi.json", base_url="https://trucks.example").json
    assert found is not None
    assert (found["servers"]["this"]["host"], found["servers"]["this"]["protocol"]) == (
        "trucks.example",
        "wss",
    )


def undescribed(schema: Any, name: str) -> list[str]:
    """The fields below this schema of which nothing is said."""
    fields = schema.get("properties", {})
    return [
        *(f"{name}.{field}" for field, said in fields.items() if not said.get("description")),
        *(found for field, said in fields.items() for found in undescribed(said, f"{name}.{field}")),
    ]


def test_every_field_of_both_documents_is_described() -> None:
    http, socket = documents.of_http(), documents.of_socket()
    answers = {
        f"{operation['operationId']} {status}": response["content"]["application/json"]["schema"]
        for methods in http["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status < "300" and "schema" in response.get("content", {}).get("application/json", {})
    }
    frames = {name: said["payload"] for name, said in socket["components"]["messages"].items()}
    schemas = http["components"]["schemas"] | socket["components"]["schemas"]
    shown = answers | frames | schemas
    # A name that means the same everywhere has its meaning in web/documents/fields.py.
    assert [found for name, schema in shown.items() for found in undescribed(schema, name)] == []


def test_no_schema_has_a_boolean_constant() -> None:
    """The generator for Swift makes an enumeration of it, which no compiler takes."""
    constants = re.findall(r'"const": (\w+)', json.dumps(documents.of_http()))
    assert not {"true", "false"} & set(constants)


def test_every_answer_and_every_frame_has_a_recorded_example_that_fits() -> None:
    http, socket = openapi.document(create_app()), documents.of_socket()
    answers = [
        (response["content"]["application/json"], f"{operation['operationId']} {status}")
        for methods in http["paths"].values()
        for operation in methods.values()
        for status, response in operation["responses"].items()
        if status < "300" and "schema" in response.get("content", {}).get("application/json", {})
    ]
    assert [name for content, name in answers if "example" not in content] == []
    for content, _ in answers:
        Draft202012Validator(content["schema"] | {"components": http["components"]}).validate(
            content["example"]
        )
    for name, said in socket["components"]["messages"].items():
        if name.startswith("to_"):
            root = said["payload"] | {"components": socket["components"]}
            Draft202012Validator(root).validate(said["examples"][0]["payload"])


def test_what_is_for_development_or_a_page_is_in_no_public_document() -> None:
    served = create_app().test_client().get("/openapi.json").json
    assert served is not None
    paths = set(served["paths"])
    assert not {path for path in paths if path.startswith(("/console", "/docs"))}
    assert paths < set(documents.of_http()["paths"])


def test_what_is_served_is_the_document() -> None:
    client = create_app().test_client()
    assert client.get("/openapi.json").json == json.loads(json.dumps(openapi.document(create_app())))


@pytest.mark.parametrize("status", ["queued", "rejected"])
def test_an_order_that_is_not_placed_is_documented_in_answers_and_in_the_first_frame(status: str) -> None:
    order = {"id": str(uuid4()), "customerId": "asha", "status": status, "createdAt": iso(datetime.now(UTC))}
    whole = {"order": order, "truckRequests": []}
    documents.check("get", "/api/v1/orders/{orderId}", 200, {}, {"success": True, "data": whole})
    frame = {"type": "connected", "id": 1, "at": order["createdAt"], "data": {"activeOrder": whole}}
    documents.check_frame("customer", "to", frame)
