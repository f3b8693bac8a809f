"""What is not meant for this server, and what no answer may hold."""

import re
import socket

import pytest

from segjax.web import schema
from tests.web.program import png

NAMES = (
    "../../etc/passwd", "..%2f..%2fetc%2fpasswd", "/etc/passwd", "tiny/../other",
    "gs://bucket/x", "http://169.254.169.254/latest", "file:///etc/passwd", "a.py",
    "{{7*7}}", "${7*7}", ";id", "|id", "`id`", "$(id)", "__class__", "tiny.segjax",
    "TINY", "\uff54\uff49\uff4e\uff59", "t\u0456ny", "tiny\u200b", "tiny%00",
    "tiny ", "", ".", "..", "*",
    "' or 1=1 --", "<script>", "%s%s%n", "tiny\r\nx: y", "C:\\windows", "\\\\host\\x",
)  # fmt: skip
"""Names that no model has; look-alikes of `tiny` among them."""

LEAKS = re.compile(r"/home|/root|/tmp|/usr|Traceback|site-packages|0x7f|\.py\b|uvicorn")


def refused(answer, status, code):
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    schema.Error.model_validate(answer.json())
    assert not LEAKS.search(answer.text + str(answer.headers))


@pytest.mark.parametrize("name", NAMES)
def test_models_are_looked_up_and_nothing_else(client, image, name):
    answer = client.post(
        "/api/predict", files={"picture": png(image)}, data={"models": f"{name},x"}
    )
    refused(answer, 404, "no_such_model")
    assert answer.json()["error"] == "There is no model of this name."


@pytest.mark.parametrize("path", ["/models/{}/card", "/models/{}/download"])
@pytest.mark.parametrize("name", ["nobody", "..%2ftiny", "%2e%2e", "tiny%2f..", "%00"])
def test_no_path_is_made_from_an_address(client, path, name):
    answer = client.get(path.format(name))
    assert answer.status_code == 404
    assert answer.json()["code"] in ("no_such_model", "not_found")


@pytest.mark.parametrize(
    "host",
    [
        "evil.example", "127.0.0.1.evil.example", "localhost.evil.example", "", "[::1",
        "127.0.0.1@evil.example", "evil.example:8000", "0.0.0.0", "169.254.169.254",
    ],
)  # fmt: skip
def test_other_hosts_are_refused(client, host):
    refused(client.get("/api/models", headers={"host": host}), 400, "bad_host")


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:1", "127.0.0.1", "[::1]:8000"]
)
def test_names_of_this_machine_are_taken(client, host):
    assert client.get("/healthz", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("path", ["/healthz", "/readyz"])
def test_probes_ask_by_any_address(client, path):
    assert client.get(path, headers={"host": "10.0.0.7:8000"}).status_code == 200


def test_two_hosts_are_refused(server):
    answer = raw(server, b"GET /healthz HTTP/1.1\r\nhost: localhost\r\nhost: x\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:1"},
        {"origin": "http://127.0.0.1.evil.example"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
    ids=str,
)
def test_pages_of_other_sites_may_not_send(client, image, headers):
    files = {"picture": png(image)}
    answer = client.post("/api/predict", files=files, headers=headers)
    refused(answer, 403, "other_origin")
    assert "access-control-allow-origin" not in answer.headers


def test_pages_of_this_server_may(client, server, image):
    headers = {"origin": server.url, "sec-fetch-site": "same-origin"}
    files = {"picture": png(image)}
    answer = client.post("/api/predict", files=files, headers=headers)
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "method", ["PUT", "DELETE", "PATCH", "TRACE", "OPTIONS", "FOO"]
)
@pytest.mark.parametrize("path", ["/api/predict", "/api/models", "/healthz"])
def test_other_methods_are_refused(client, method, path):
    answer = client.request(method, path)
    refused(answer, 405, "method_not_allowed")
    assert answer.headers["allow"]


@pytest.mark.parametrize(
    ("path", "status"), [("/api/predict", 405), ("/nothing", 404), ("/api/x", 404)]
)
def test_errors_are_json(client, path, status):
    assert client.get(path).status_code == status
    assert client.get(path).json()["error"]


def test_errors_are_a_page_for_people(client):
    answer = client.get("/<script>", headers={"accept": "text/html"})
    assert answer.status_code == 404
    assert answer.text.startswith("<!DOCTYPE html>")
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    "kind", ["application/json", "text/plain", "application/x-www-form-urlencoded", ""]
)
def test_other_kinds_of_bodies_are_refused(client, kind):
    answer = client.post("/api/predict", content=b"{}", headers={"content-type": kind})
    refused(answer, 400, "bad_form")


@pytest.mark.parametrize(
    "path", ["/api/models", "/nothing", "/api", "/static/style.css"]
)
def test_all_answers_are_guarded(client, path):
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["referrer-policy"] == "no-referrer"
    assert "cache-control" in headers
    assert "server" not in headers and "x-powered-by" not in headers
    assert not [h for h in headers if h.startswith("access-control")]


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /\r\n\r\n",
        b"GET / HTTP/1.1\r\nhost: localhost\r\nx: " + b"a" * 40_000 + b"\r\n\r\n",
        b"POST /api/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: x\r\n\r\n",
        b"POST /api/predict HTTP/1.1\r\nhost: localhost\r\ncontent-length: 5\r\n"
        b"transfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /api/predict HTTP/1.1\r\nhost: localhost\r\n"
        b"content-type: multipart/form-data; boundary=B\r\n"
        b"transfer-encoding: chunked\r\n\r\nZZZ\r\n",
    ],
)
def test_what_is_no_http_is_refused_in_json(server, sent):
    answer = raw(server, sent)
    assert answer.startswith(b"HTTP/1.1 4"), answer
    assert b'"code"' in answer
    assert not LEAKS.search(answer.decode())
    assert server.client.get("/healthz").status_code == 200


def raw(server, content: bytes) -> bytes:
    """What the server answers to some bytes, until it closes."""
    with socket.create_connection(("127.0.0.1", server.port), 10) as connection:
        connection.sendall(content)
        answer = b""
        while not answer.endswith(b"}") and (piece := connection.recv(65536)):
            answer += piece
    return answer


def test_the_log_has_no_names_of_files_and_no_addresses(server, image):
    start = len(server.log)
    files = {"picture": ("holiday-in-oslo.png", png(image))}
    server.client.post("/api/predict?who=me", files=files, data={"models": "tiny"})
    server.client.get("/x%0ainjected")
    line = server.wait(
        lambda: [x for x in server.log[start:] if "injected" in x and "GET" in x]
    )
    said = "".join(server.log[start:])
    assert "POST /api/predict 200" in said
    assert "%0ainjected" in line[0]
    for word in ("holiday", "who=me", "127.0.0.1"):
        assert word not in said
