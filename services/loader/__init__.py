"""The loader: hands a gateway's configuration to the Envoy beside it without losing a request.

A stack's ConfigMap and the keys of its Secrets are mounted into the pod and change there. Envoy would apply
what belongs together in no safe order: a route may go live before the cluster that it names. So the loader
writes Envoy's files one after the other, and waits each time until Envoy has confirmed what it got:

1. keys and the secret of the log sink,
2. clusters, the old ones and the new ones,
3. ways out to providers (egress), the old ones and the new ones,
4. routes: now it is live,
5. when the requests that came before have had the time to end: egress and clusters without what is no longer
   used.

What Envoy refuses is taken back, reported and not tried again until it changes.

    python -m loader prepare    writes the files once, so that Envoy can start
    python -m loader run        follows the mounts until SIGTERM, then drains Envoy and ends

On port 9902: /ready (200 once Envoy has confirmed the mounted configuration, 503 before and at the end),
/live (what is live and what was refused, as JSON), /metrics (for Prometheus). It writes no key to a log, an
answer or an error.
"""
