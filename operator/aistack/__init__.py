"""AIStack: governed AI systems on Kubernetes from one object."""

__version__ = "0.1.0"
