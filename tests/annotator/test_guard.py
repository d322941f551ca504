"""Nothing but a GET and the login can leave, whatever the client's inside is asked to send."""

import asyncio

import httpx
import pytest

from triage_assets.annotator.address import ApiAddress
from triage_assets.annotator.guard import ApiGuard, ImageGuard
from triage_assets.errors import ReadOnlyViolation

from .servers import Reply

BULK = "/api/v1/annotations/sequences/bulk"


def doors(client, api_url, image_url):
    """Every way of sending something that writes: (name, coroutine function)."""
    # Whoever holds the transports can put a whole httpx client, with all it can do, around them.
    api = httpx.AsyncClient(transport=client._connection.api)
    images = httpx.AsyncClient(transport=client._connection.images)
    bulk = api_url + BULK
    login = api_url + "/api/v1/auth/login"
    token = {"Authorization": f"Bearer {client._connection._token}"}
    body = {"sequence_ids": [1], "smoke_type": "wildfire"}

    def by_hand(client, method, url, **options):
        return lambda: client.send(httpx.Request(method, url, **options))

    for method in ("POST", "PUT", "PATCH", "DELETE", "OPTIONS", "HEAD", "TRACE", "get "):
        yield f"{method} on the api client", lambda method=method: api.request(method, bulk, headers=token)
        yield f"{method} by hand", by_hand(api, method, bulk, headers=token)
        yield f"{method} on the image client", by_hand(images, method, image_url)
    yield "post()", lambda: api.post(bulk, json=body, headers=token)
    yield "delete()", lambda: api.delete(api_url + "/api/v1/sequences/1", headers=token)
    yield "stream()", lambda: api.stream("PATCH", bulk, json=body).__aenter__()
    yield "the login with a query", lambda: api.post(login + "?next=/bulk", json=body)
    yield "the login with a slash", lambda: api.post(login + "/", json=body)
    yield "the login with dots", lambda: api.post(api_url + "/api/v1/auth/../annotations/sequences/bulk", json=body)
    yield "the login encoded", lambda: api.post(api_url + "/api/v1/auth/%6cogin", json=body)
    yield "a put to the login", lambda: api.put(login, json=body)
    yield (
        "the login of another host",
        lambda: api.post(image_url.partition("/annotation-api")[0] + "/api/v1/auth/login"),
    )
    yield "the login named as another host", lambda: api.post(login, json=body, headers={"Host": "other.example"})
    yield "a get of another host", lambda: api.get(image_url, headers=token)
    yield "a get with a body", lambda: api.request("GET", bulk, json=body, headers=token)
    yield "a get with a stream", by_hand(api, "GET", bulk, stream=httpx.ByteStream(b"x"), headers=token)
    yield "a get that overrides its method", lambda: api.get(bulk, headers={"X-HTTP-Method-Override": "POST"})
    yield "a post that overrides its method", lambda: api.post(login, headers={"X-HTTP-Method-Override": "PATCH"})
    yield "an image with our token", lambda: images.get(image_url, headers=token)
    yield "an image with credentials in its url", lambda: images.get(image_url.replace("://", "://user:secret@"))
    yield "an image with a cookie", lambda: images.get(image_url, headers={"Cookie": "session=1"})
    yield "a post to the login by the image client", lambda: images.post(login, json=body)


def test_no_door_of_the_client_lets_a_write_out(serve, connect):
    server = serve()
    client = connect(server)
    client.list_organizations()
    detection = server.backlog.detections(1)[0]
    url = client._portal.run(client._connection.get_signed_url(detection.id))
    before = sum(server.counts.values())
    names = []
    for name, door in doors(client, server.api_url, url):

        async def knock(door=door):
            await door()

        with pytest.raises(ReadOnlyViolation):
            client._portal.run(knock())
            pytest.fail(f"went through: {name}")
        names.append(name)
    assert len(names) == len(set(names)) > 30
    assert sum(server.counts.values()) == before
    assert server.refused_writes == []
    assert {(request.method, request.kind) for request in server.requests if request.method != "GET"} == {
        ("POST", "login")
    }


def test_a_redirect_of_the_login_is_not_followed_to_another_host(scripted):
    elsewhere = scripted(lambda *_: Reply())
    here = scripted(lambda *_: Reply(307, b"", {"Location": elsewhere.url + "/api/v1/auth/login"}))

    async def follow():
        address = ApiAddress.parse(here.url)
        async with httpx.AsyncClient(transport=ApiGuard(httpx.AsyncHTTPTransport(), address)) as client:
            await client.post(address.login, json={"password": "secret"}, follow_redirects=True)

    with pytest.raises(ReadOnlyViolation, match="found POST to 127"):
        asyncio.run(follow())
    assert elsewhere.requests == []


def test_what_reading_needs_goes_through():
    sent = []

    def record(request):
        sent.append((request.method, str(request.url)))
        return httpx.Response(200)

    async def read():
        address = ApiAddress.parse("https://annotationapi.example.org")
        inner = httpx.MockTransport(record)  # the plainest inner transport: it only records
        async with httpx.AsyncClient(transport=ApiGuard(inner, address)) as client:
            await client.get(address.endpoint("/sequences/"), params={"page": 1}, headers={"Authorization": "Bearer x"})
            await client.post(address.login, json={})
        async with httpx.AsyncClient(transport=ImageGuard(inner)) as client:
            await client.get("https://s3.example.org/a.jpg?X-Amz-Signature=x")

    asyncio.run(read())
    assert sent == [
        ("GET", "https://annotationapi.example.org/api/v1/sequences/?page=1"),
        ("POST", "https://annotationapi.example.org/api/v1/auth/login"),
        ("GET", "https://s3.example.org/a.jpg?X-Amz-Signature=x"),
    ]
