# The operator's image: controller and webhook are two commands of it.
ARG BASE_IMAGE=python:3.11-slim-bookworm

FROM ${BASE_IMAGE} AS build
WORKDIR /build
COPY requirements.lock ./
RUN pip install --no-cache-dir --root-user-action=ignore --require-hashes --target /app -r requirements.lock
COPY operator/aistack /app/aistack
# The root file system is read-only where this runs, so the bytecode is made here.
RUN python3 -m compileall -q /app

FROM ${BASE_IMAGE}
COPY --from=build /app /app
# Kopf asks for the user's name, and the number below has none.
ENV PYTHONPATH=/app PYTHONUNBUFFERED=1 USER=aistack
USER 65532:65532
ENTRYPOINT ["python3", "-m", "aistack"]
CMD ["--help"]
