#!/bin/sh
# All of docker-compose.yml's Postgres as one file, also while orders are placed. Usage: deploy/backup.sh FILE
set -eu
umask 077
file=$(realpath "${1:?name the file}")
cd "$(dirname "$0")/.."
# Without owners and rights it fits any server; the migrations give the rights again.
docker compose exec -T postgres pg_dump --username=weelo_owner --format=custom --no-owner --no-privileges weelo >"$file.new"
mv "$file.new" "$file"
