# Training on NVIDIA GPUs; the host needs their driver and the NVIDIA Container Toolkit,
# CUDA itself comes with jax's wheels. From the root of the repository:
#
#   docker build -f deploy/train.Dockerfile -t segjax-train .
#   docker run --rm --gpus all -v /data/camvid:/data:ro -v ./runs:/runs segjax-train \
#     --config=configs/camvid_unet.py --config.data.root=/data --workdir=/runs/camvid_unet

FROM python:3.11-slim-bookworm
WORKDIR /segjax
COPY requirements.txt constraints.txt ./
RUN python -m venv /opt/segjax \
 && /opt/segjax/bin/pip install --no-cache-dir -r requirements.txt "jax[cuda13]==0.10.2" -c constraints.txt
COPY . .
RUN /opt/segjax/bin/pip install --no-cache-dir --no-deps --editable . \
 && useradd --uid 10001 --create-home segjax \
 && mkdir /runs \
 && chown 10001 /runs
ENV PATH=/opt/segjax/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SEGJAX_CACHE=/runs/.cache \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
ENTRYPOINT ["python", "launch.py"]
CMD ["--help"]
