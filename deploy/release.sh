#!/bin/sh
# A release of docker-compose.yml without a gap, after `docker compose build` or `pull`: the tables first, on which
# the release that runs goes on working; then as many new containers beside the old ones, and once each new one is
# healthy, the old ones are stopped. If one is not, or this is interrupted, the new ones are removed.
set -eu
cd "$(dirname "$0")/.."
HEALTHY_SECONDS=${HEALTHY_SECONDS:-90}
# As long as nginx keeps an address, and a second.
FOUND_SECONDS=3
new=

remove_new() {
    [ -z "$new" ] || docker rm --force $new >/dev/null
}
trap remove_new EXIT
trap 'exit 130' INT TERM

are_healthy() { [ "$(docker inspect --format '{{.State.Health.Status}}' "$@" | sort -u)" = healthy ]; }

# Whether each of these web servers answers and reaches Postgres.
can_serve() {
    for container; do
        docker exec "$container" python -c \
            'import urllib.request as r; r.urlopen("http://127.0.0.1:8000/ready/web", timeout=5)' \
            2>/dev/null || return 1
    done
}

# Each of these services at once.
replace() {
    old=$(docker compose ps --quiet "$@")
    scales=
    for service; do
        scales="$scales --scale $service=$((2 * $(docker compose ps --quiet "$service" | wc -l)))"
    done
    docker compose up --quiet-pull --detach --no-deps --no-recreate $scales "$@"
    new=$(docker compose ps --all --quiet "$@" | grep -vxF "$old")
    seconds=0
    until are_healthy $new && { [ "$1" != web ] || can_serve $new; }; do
        seconds=$((seconds + 1))
        [ $seconds -lt $HEALTHY_SECONDS ] || { echo "weelo: no new $* is healthy; the old one goes on." >&2; exit 1; }
        sleep 1
    done
    sleep $FOUND_SECONDS
    new=
    docker stop $old >/dev/null
    docker rm $old >/dev/null
    echo "weelo: $*: replaced"
}

[ "$(docker compose ps --quiet web)" ] || { echo "weelo: nothing runs: docker compose up --detach --wait" >&2; exit 1; }
docker compose run --rm --no-deps migrate
replace web
replace orders sweeps beat
# Its port is this machine's, so there cannot be two of it.
docker compose up --detach --no-deps flower
