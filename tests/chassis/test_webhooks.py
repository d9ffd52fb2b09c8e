"""Standard Webhooks: the specification's own vector, and what settings may say.

The vector comes from the reference libraries; no key of ours may stand here.
"""

from __future__ import annotations

import base64

import pytest

from chassis.webhooks import endpoints_of, headers, secrets_of, signature

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OTHER = "whsec_" + base64.b64encode(b"z" * 24).decode()
ID, STAMP, BODY = "msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", b'{"test": 2432232314}'
SIGNED = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_specifications_vector() -> None:
    (secret,) = secrets_of(f"any={SECRET}")["any"]
    assert signature(secret, ID, STAMP, BODY) == SIGNED.encode()


def test_a_message_is_signed_with_every_live_secret() -> None:
    secrets = tuple(secrets_of(f"any={OTHER}+{SECRET}")["any"])
    found = headers(secrets, ID, STAMP, BODY)
    assert (found["webhook-id"], found["webhook-timestamp"]) == (ID, STAMP)
    first, second = found["webhook-signature"].split(" ")
    assert second == SIGNED
    assert first == signature(b"z" * 24, ID, STAMP, BODY).decode() != second


def test_endpoints_are_read() -> None:
    text = f"wx-gov=https://portal.example/hooks?a=b|{SECRET}+{OTHER}, demo=http://127.0.0.1:9090/hook|{OTHER}"
    found = endpoints_of(text)
    assert found["wx-gov"].url == "https://portal.example/hooks?a=b"
    assert [len(secret) for secret in found["wx-gov"].secrets] == [24, 24]
    assert (found["demo"].url, found["demo"].secrets) == ("http://127.0.0.1:9090/hook", (b"z" * 24,))
    assert "example" not in repr(found)
    assert endpoints_of("") == {}


@pytest.mark.parametrize(
    "text",
    [
        "demo",
        "demo=",
        f"de mo=https://a|{SECRET}",
        f"demo=http://portal.example/|{SECRET}",
        f"demo=ftp://127.0.0.1/|{SECRET}",
        f"demo=https:///path|{SECRET}",
        f"demo=https://[portal.example/|{SECRET}",
        f"demo={SECRET}",
        "demo=https://portal.example/",
        "demo=https://portal.example/|whsec_AAAA",
        "demo=https://portal.example/|whsec_***",
    ],
)
def test_what_is_no_endpoint_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ValueError, match=r"^name=https:|^entries whose secrets ") as refused:
        endpoints_of(text)
    assert "portal.example" not in str(refused.value)
    assert "MfKQ" not in str(refused.value)
