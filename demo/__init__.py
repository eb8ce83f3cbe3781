"""The demonstration: a real Kubernetes API, the operator beside it, and a stack brought to Ready.

The operator's two programs run as processes of this machine, each with the ServiceAccount and the rights
that it has in a cluster. `.demo/` holds everything that runs; `make demo-down` ends it.

With REAL=1 the pods run too, the operator's among them: `real.py`.
"""
