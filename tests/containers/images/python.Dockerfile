# As python:3.13-slim: `python` and `pip` in /usr/local/bin.
FROM weelo-base
RUN python3.13 -m venv /usr/local
ENV PATH=/usr/local/bin:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin
CMD ["python"]
