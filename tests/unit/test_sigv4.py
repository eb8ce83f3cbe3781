"""Who checks AWS's signatures for the tests checks them as AWS does: by the example of its own reference."""

import pytest
from aiohttp.test_utils import make_mocked_request

from tests.gateway.sigv4 import Credentials, is_signed

EXAMPLE = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", None)
SIGNATURE = "5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
HEADERS = {
    "content-type": "application/x-www-form-urlencoded; charset=utf-8",
    "host": "iam.amazonaws.com",
    "x-amz-date": "20150830T123600Z",
    "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
    f"SignedHeaders=content-type;host;x-amz-date, Signature={SIGNATURE}",
}


@pytest.mark.parametrize(
    ("query", "body", "region", "holds"),
    [
        ("Action=ListUsers&Version=2010-05-08", b"", "us-east-1", True),
        ("Action=ListRoles&Version=2010-05-08", b"", "us-east-1", False),
        ("Action=ListUsers&Version=2010-05-08", b"more", "us-east-1", False),
        ("Action=ListUsers&Version=2010-05-08", b"", "eu-central-1", False),
    ],
    ids=["as in the reference", "another query", "another body", "another region"],
)
def test_a_signature_holds_for_exactly_what_was_signed(
    query: str, body: bytes, region: str, holds: bool
) -> None:
    request = make_mocked_request("GET", f"/?{query}", HEADERS)
    assert is_signed(request, body, EXAMPLE, region, "iam") is holds
