# The page, `segjax serve`, on a CPU; docs/deploy.md says more. From the root of the
# repository, with exported models in ./models:
#
#   docker build -f deploy/serve.Dockerfile -t segjax-serve .
#   docker run --rm --read-only --tmpfs /tmp -v ./models:/models:ro -p 127.0.0.1:8000:8000 segjax-serve

FROM python:3.11-slim-bookworm AS build
WORKDIR /src
COPY requirements-serve.txt constraints.txt ./
RUN python -m venv --without-pip /opt/segjax \
 && python -m pip --python /opt/segjax/bin/python install --no-cache-dir -r requirements-serve.txt -c constraints.txt
COPY pyproject.toml requirements.txt README.md LICENSE ./
COPY segjax segjax
RUN python -m pip --python /opt/segjax/bin/python install --no-cache-dir --no-deps .

FROM python:3.11-slim-bookworm
COPY --from=build /opt/segjax /opt/segjax
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin segjax \
 && mkdir /models
ENV PATH=/opt/segjax/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    SEGJAX_CACHE=/tmp/segjax
USER 10001
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=120s --retries=3 \
  CMD ["python", "-c", "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
# It listens to all there is in the container, but goes by this machine's names alone;
# `--allow-host NAME` behind the image's name adds another.
ENTRYPOINT ["segjax", "serve", "--host", "0.0.0.0", "--allow-host", "localhost", "--allow-host", "127.0.0.1", "--watch", "/models"]
