# Training on NVIDIA GPUs; docs/deploy.md says more. The host needs the driver and the
# NVIDIA Container Toolkit, CUDA comes with jax's wheels. From the root of the repository:
#
#   docker build -f deploy/train.Dockerfile -t segjax-train .
#   docker run --rm --gpus all --shm-size 2g --user "$(id -u):$(id -g)" \
#     -v /data/camvid:/data:ro -v ./runs:/runs segjax-train \
#     --config=configs/camvid_unet.py --config.data.root=/data --workdir=/runs/camvid_unet

FROM python:3.11-slim-bookworm
WORKDIR /segjax
COPY requirements.txt requirements-cuda.txt constraints.txt ./
RUN python -m venv --without-pip /opt/segjax \
 && python -m pip --python /opt/segjax/bin/python install --no-cache-dir -r requirements-cuda.txt -c constraints.txt
COPY . .
RUN python -m pip --python /opt/segjax/bin/python install --no-cache-dir --no-deps --editable . \
 && useradd --uid 10001 --create-home segjax \
 && mkdir /runs \
 && chown 10001 /runs
# No matter which user it runs as, what it keeps lies with the runs.
ENV PATH=/opt/segjax/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SEGJAX_CACHE=/runs/.cache \
    MPLCONFIGDIR=/tmp/matplotlib \
    NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility
USER 10001
ENTRYPOINT ["python", "launch.py"]
CMD ["--help"]
