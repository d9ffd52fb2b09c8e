"""A portal that verifies notices by Standard Webhooks, with the standard library.

It must never need anything of the suite.
"""

import base64
import hashlib
import hmac
import time


def authentic(secrets, headers, body, now):
    """Whether one of our live secrets has signed this body within the last five minutes."""
    id, stamp = headers["webhook-id"], headers["webhook-timestamp"]
    if not stamp.isdigit() or abs(now - int(stamp)) > 300:
        return False
    given = headers["webhook-signature"].split(" ")
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        digest = hmac.new(key, f"{id}.{stamp}.".encode() + body, hashlib.sha256).digest()
        expected = "v1," + base64.b64encode(digest).decode()
        if any(hmac.compare_digest(expected, one) for one in given):
            return True
    return False


# The sample of the specification: https://github.com/standard-webhooks/standard-webhooks
headers = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": "1614265330",
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}
body = b'{"test": 2432232314}'
assert authentic(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], headers, body, now=1614265330)
assert not authentic(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], headers, body + b" ", now=1614265330)
assert not authentic(["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"], headers, body, now=time.time())
print("authentic")
