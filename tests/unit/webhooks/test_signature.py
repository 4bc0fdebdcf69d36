import base64

from rowmill.webhooks.signature import headers, new_secret

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = '{"type":"job.completed","data":{"name":"Käse"}}'.encode()
SIGNED_BY_THE_REFERENCE = "v1,GjxSoQA+gGcQUa+ITMzOik1hD6Go3bkij4xZPdFxIA4="
"""What the reference implementation of Standard Webhooks (standardwebhooks 1.1.0 for Python) makes of the same."""


def test_a_signature_is_that_of_the_reference_implementation() -> None:
    assert headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330.9, BODY, [SECRET]) == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": SIGNED_BY_THE_REFERENCE,
    }


def test_every_secret_signs() -> None:
    both = headers("msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, BODY, [new_secret(), SECRET])["webhook-signature"]
    assert len(both.split(" ")) == 2
    assert both.split(" ")[1] == SIGNED_BY_THE_REFERENCE


def test_secrets_are_long_enough_and_differ() -> None:
    one, other = new_secret(), new_secret()
    assert one != other
    assert one.startswith("whsec_")
    assert 24 <= len(base64.b64decode(one.removeprefix("whsec_"), validate=True)) <= 64
