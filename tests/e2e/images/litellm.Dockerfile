# Stands for ghcr.io/berriai/litellm.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG LITELLM
RUN pip install --no-cache-dir "litellm[proxy]==${LITELLM}" prometheus_client prisma
WORKDIR /app
ENTRYPOINT ["litellm"]
CMD ["--port", "4000"]
