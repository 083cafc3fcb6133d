# One image for every process of the Procfile; docker-compose.yml says which one a container is.
FROM python:3.13-slim AS build
COPY requirements.txt /
# Neither pip nor the packages' own tests are needed to run: 20 MB.
RUN python -m venv --without-pip /opt/venv \
    && python -m pip --python /opt/venv/bin/python install --no-cache-dir --require-hashes --only-binary :all: \
        -r /requirements.txt \
    && find /opt/venv -type d '(' -name tests -o -name test ')' -prune -exec rm -r {} +

FROM python:3.13-slim
RUN useradd --system --uid 10001 --create-home --home-dir /home/weelo weelo
ENV PATH=/opt/venv/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 APP_ENV=production PORT=8000 \
    ALIVE_FILE=/tmp/alive
COPY --from=build /opt/venv /opt/venv
WORKDIR /srv/weelo
COPY Procfile docker/process.sh celeryconfig.py flowerconfig.py gunicornconfig.py ./
COPY models models
COPY workers workers
COPY tasks tasks
COPY web web
COPY server server
COPY docs/app-guide.md docs/runbook.md docs/
USER weelo
EXPOSE 8000
# The process lives: it makes this file every 2 s. Whether the main job can run is /ready's to say, and no
# reason to kill this process.
HEALTHCHECK --interval=8s --timeout=5s --start-period=30s --retries=2 CMD ["rm", "/tmp/alive"]
CMD ["sh", "process.sh", "web"]
