"""The rendered gateway in real Envoy, with the real loader, against stand-ins for vLLM and providers."""
