"""Key files in Envoy's form: the only places that keys are written to, in the pod's memory."""

import json
from collections.abc import Mapping

TYPE = "type.googleapis.com/envoy"
CLIENT_HEADER = "x-aistack-client"
"""Tells the routes whose key it was; they are rendered for this name."""


def clients_file(clients: Mapping[str, str]) -> str:
    """The filter that knows each client by its key, and takes the key from the request."""
    return _resources(
        {
            "@type": f"{TYPE}.config.core.v3.TypedExtensionConfig",
            "name": "api_key_auth",
            "typed_config": {
                "@type": f"{TYPE}.extensions.filters.http.api_key_auth.v3.ApiKeyAuth",
                "key_sources": [{"header": "authorization"}, {"header": "x-api-key"}],
                "forwarding": {"header": CLIENT_HEADER, "hide_credentials": True},
                "credentials": [{"key": key, "client": client} for client, key in clients.items()],
            },
        }
    )


def secrets_file(keys: Mapping[str, str]) -> str:
    """Keys of providers, or the log sink's, under the names that their clusters ask for."""
    return _resources(
        *(
            {
                "@type": f"{TYPE}.extensions.transport_sockets.tls.v3.Secret",
                "name": name,
                "generic_secret": {"secret": {"inline_string": key}},
            }
            for name, key in keys.items()
        )
    )


def _resources(*resources: Mapping[str, object]) -> str:
    return json.dumps({"resources": resources})
