#!/bin/sh
# Where no registry of images can be reached: one root file system of Debian's packages, and on it images that
# keep what the official ones promise to docker-compose.yml. Usage: base.sh DIR (of a started engine.sh)
set -eu
DIR=$1
HERE=$(cd "$(dirname "$0")" && pwd)
export PATH="$DIR/programs/usr/sbin:$DIR/programs/usr/bin:$PATH"
debian=$(apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
    sort -u | head -n 1)
KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg

# pip in a build believes the authorities that this machine believes.
mmdebstrap --quiet --variant=minbase --keyring=$KEYRING \
    --include=python3.13,python3.13-venv,redis-server,nginx-light,gosu,ca-certificates \
    --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
    --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt=force-unsafe-io \
    --customize-hook='copy-in /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs' \
    trixie - "deb [signed-by=$KEYRING] $debian trixie main" | docker import - weelo-base >/dev/null

build() {
    tar --create --directory "$HERE/images" "$1.Dockerfile" postgres.sh --directory "$HERE/../.." requirements-stores.txt |
        docker build --quiet --file "$1.Dockerfile" --tag "$2" - >/dev/null
}

build python python:3.13-slim
# Postgres waits for the network, the others for the disk.
build redis redis:8 &
redis=$!
build nginx nginx:1 &
nginx=$!
build postgres postgres:18
wait $redis
wait $nginx
