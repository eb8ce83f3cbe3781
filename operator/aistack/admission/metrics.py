"""What the webhook counts: how long a review takes, how it ends, how large it is."""

from prometheus_client import Counter, Gauge, Histogram

REVIEW_SECONDS = Histogram(
    "aistack_webhook_review_seconds",
    "Time from a review's first byte to its answer, by kind.",
    ["kind"],
    buckets=(0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5),
)
REVIEWS = Counter(
    "aistack_webhook_reviews_total",
    "Reviews by kind and verdict: allowed, denied (the object is wrong), or refused (it was not judged).",
    ["kind", "verdict"],
)
BODY_BYTES = Histogram(
    "aistack_webhook_body_bytes",
    "Size of a review's body, in bytes.",
    buckets=(1024, 4096, 16384, 65536, 262144, 1048576, 3145728, 8388608),
)
UNKNOWN_KIND = "unknown"
CERTIFICATE_EXPIRES = Gauge(
    "aistack_webhook_certificate_expires_seconds",
    "When the certificate that is served expires, in seconds since 1970.",
)
