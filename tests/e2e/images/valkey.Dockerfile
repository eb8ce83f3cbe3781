# Stands for valkey/valkey: Debian's Redis, of which it is a fork, under its names.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
RUN apt-get update \
 && apt-get install --yes --no-install-recommends redis-server \
 && ln -s redis-server /usr/bin/valkey-server \
 && ln -s redis-cli /usr/bin/valkey-cli \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
ENTRYPOINT ["valkey-server"]
