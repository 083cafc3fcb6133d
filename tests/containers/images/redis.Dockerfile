# As redis:8: a user `redis` who owns /data, where the server begins.
FROM weelo-base
RUN mkdir /data && chown redis:redis /data
VOLUME /data
WORKDIR /data
CMD ["redis-server"]
