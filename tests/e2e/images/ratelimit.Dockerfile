# Stands for envoyproxy/ratelimit: the same program, built from its Go module.
FROM scratch
COPY ratelimit /bin/ratelimit
ENTRYPOINT ["/bin/ratelimit"]
