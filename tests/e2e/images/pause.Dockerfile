# Holds a pod's namespaces; with its Python it is the image of the tests' clients, too.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
USER 65535:65535
ENTRYPOINT ["sleep", "infinity"]
