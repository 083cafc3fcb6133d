#!/bin/sh
# Begins again from a file of deploy/backup.sh; what came after it is gone. Usage: deploy/restore.sh FILE
set -eu
umask 077
file=$(realpath "${1:?name the file}")
cd "$(dirname "$0")/.."
EMPTY="SET statement_timeout = 0; DROP SCHEMA IF EXISTS public CASCADE; CREATE SCHEMA public"
OURS="web orders sweeps beat flower"
statements=$(mktemp "$file.XXXXXX")
trap 'rm "$statements"' EXIT

# All of the file is read first: one that was cut off is refused before anything is touched.
docker compose exec -T postgres pg_restore --no-owner --no-privileges --file=- <"$file" >"$statements" ||
    { echo "weelo: $1 is no whole backup; nothing was changed." >&2; exit 1; }
# Each of them remembers answers, and so does Redis: a key would be answered with an order that is not there.
docker compose stop $OURS
docker compose exec -T redis redis-cli -e flushall >/dev/null
# One transaction: until the file is in place whole, Postgres is as it was.
docker compose exec -T postgres psql --username=weelo_owner --dbname=weelo --no-psqlrc --quiet --output=/dev/null \
    --single-transaction --set=ON_ERROR_STOP=1 --command="$EMPTY" --file=- <"$statements" ||
    { docker compose start $OURS; echo "weelo: not restored; Postgres is as it was." >&2; exit 1; }
# The file may be of an older release.
docker compose run --rm --no-deps migrate
docker compose start $OURS
