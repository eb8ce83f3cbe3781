"""AWS's event streams: https://smithy.io/2.0/aws/amazon-eventstream.html"""

import struct
from zlib import crc32

STRING = 7
"""The type of a header's value."""


def encoded(event: str, content_type: str, payload: bytes) -> bytes:
    """One message: lengths and their checksum, headers, payload, and the checksum of all."""
    said = {":message-type": "event", ":event-type": event, ":content-type": content_type}
    headers = b"".join(_header(name, value) for name, value in said.items())
    lengths = struct.pack(">II", 12 + len(headers) + len(payload) + 4, len(headers))
    message = lengths + struct.pack(">I", crc32(lengths)) + headers + payload
    return message + struct.pack(">I", crc32(message))


def _header(name: str, value: str) -> bytes:
    begin = struct.pack(">B", len(name)) + name.encode()
    return begin + struct.pack(">BH", STRING, len(value)) + value.encode()
