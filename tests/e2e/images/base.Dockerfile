# Stands for python:3.11-slim: Debian's Python, which pip may install into. root/ is made by debootstrap.
FROM scratch
COPY root/ /
COPY authority.crt /usr/local/share/ca-certificates/aistack-e2e.crt
RUN update-ca-certificates \
 && ln -s python3 /usr/bin/python \
 && rm -f /usr/lib/python3*/EXTERNALLY-MANAGED \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*
# Python's own bundle of authorities would not have the one of the tests.
ENV LANG=C.UTF-8 SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt REQUESTS_CA_BUNDLE=/etc/ssl/certs/ca-certificates.crt
CMD ["python3"]
