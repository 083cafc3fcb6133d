# One image for every process of the Procfile; docker-compose.yml says which one a container is.
FROM python:3.13-slim AS build
COPY requirements.txt /
RUN python -m venv /opt/venv \
    && /opt/venv/bin/pip install --no-cache-dir --require-hashes --only-binary :all: -r /requirements.txt

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/weelo weelo
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 APP_ENV=production PORT=8000
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/weelo
COPY Procfile docker/process.sh celeryconfig.py flowerconfig.py gunicornconfig.py ./
COPY models models
COPY workers workers
COPY tasks tasks
COPY web web
COPY server server
USER weelo
EXPOSE 8000
# The process lives; whether the main job can run is /ready's to say, and no reason to kill this one.
# http.client, since urllib would ask a proxy that the container's environment names.
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import http.client as h, os, sys; c = h.HTTPConnection('127.0.0.1', int(os.environ['PORT']), timeout=2); c.request('GET', '/health', headers={'Host': 'localhost'}); sys.exit(c.getresponse().status != 200)"]
CMD ["sh", "process.sh", "web"]
