#!/bin/sh
# A Docker engine for `make containers` that leaves the machine as it was: its programs come out of Debian's
# packages without being installed, its data and its socket lie in DIR, and `stop` puts the firewall back.
# Usage: engine.sh get|state|start|restart|stop DIR
set -eu
DIR=$2
ROOT=$DIR/programs
export PATH="$ROOT/usr/sbin:$ROOT/usr/bin:$ROOT/sbin:$PATH"
export LD_LIBRARY_PATH="$ROOT/usr/lib/$(uname -m)-linux-gnu"
export XTABLES_LIBDIR="$LD_LIBRARY_PATH/xtables"
FAMILIES="ip ip6"

# Debian's own address among the machine's sources.
debian() {
    apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' 'Origin: Debian' 'Label: Debian' |
        sort -u | head -n 1
}

get() {
    codename=$(. /etc/os-release && echo "$VERSION_CODENAME")
    signed="[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]"
    mkdir -p "$DIR/apt/lists/partial" "$DIR/apt/cache/archives/partial" "$ROOT/usr/sbin"
    # The machine's compose may be too old (1.29 refuses `name:`), its engine fits its own libraries.
    printf "deb $signed %s %s main\n" "$(debian)" trixie "$(debian)" "$codename" | sort -u >"$DIR/apt/sources.list"
    cat >"$DIR/apt/apt.conf" <<CONF
Dir::State "$DIR/apt"; Dir::State::status "/var/lib/dpkg/status"; Dir::Cache "$DIR/apt/cache";
Dir::Etc::sourcelist "$DIR/apt/sources.list"; Dir::Etc::sourceparts "-";
APT::Default-Release "$codename"; APT::Sandbox::User "root"; Acquire::Languages "none";
CONF
    export APT_CONFIG="$DIR/apt/apt.conf"
    apt-get -qq update
    apt-get -qq -y --no-install-recommends --download-only install docker.io iptables nftables mmdebstrap
    (cd "$DIR/apt/cache/archives" && apt-get -qq download docker-compose/trixie docker-buildx/trixie)
    for package in "$DIR"/apt/cache/archives/*.deb; do dpkg-deb -x "$package" "$ROOT"; done
    # What the packages' scripts would have linked.
    for name in iptables iptables-save iptables-restore ip6tables ip6tables-save ip6tables-restore; do
        [ -e "$ROOT/usr/sbin/xtables-nft-multi" ] && ln -sf xtables-nft-multi "$ROOT/usr/sbin/$name"
    done
    rm -r "$DIR/apt/cache"
}

tables_of() { nft list tables "$1" | sed -n "s/^table $1 //p" | sort; }

save_for() { if [ "$1" = ip ]; then iptables-save; else ip6tables-save; fi; }

restore_for() { if [ "$1" = ip ]; then iptables-restore; else ip6tables-restore; fi; }

# What an engine changes of a machine.
state() {
    ls /sys/class/net
    cat /proc/sys/net/ipv4/ip_forward
    nft list ruleset
}

start() {
    [ ! -e /sys/class/net/docker0 ] || { echo "weelo: docker0 exists, so another engine runs here." >&2; exit 1; }
    cat /proc/sys/net/ipv4/ip_forward >"$DIR/ip_forward"
    ls /sys/class/net >"$DIR/interfaces"
    for family in $FAMILIES; do
        tables_of $family >"$DIR/tables.$family"
        save_for $family >"$DIR/rules.$family"
    done
    begin
}

begin() {
    echo '{}' >"$DIR/daemon.json"
    dockerd --config-file "$DIR/daemon.json" --data-root "$DIR/data" --exec-root "$DIR/exec" \
        --pidfile "$DIR/dockerd.pid" --host "unix://$DIR/docker.sock" >>"$DIR/dockerd.log" 2>&1 &
    tries=0
    until DOCKER_HOST="unix://$DIR/docker.sock" docker version >/dev/null 2>&1; do
        tries=$((tries + 1))
        [ $tries -lt 150 ] || { tail -n 5 "$DIR/dockerd.log" >&2; exit 1; }
        sleep 0.2
    done
}

end() {
    [ -e "$DIR/dockerd.pid" ] || return 0
    pid=$(cat "$DIR/dockerd.pid")
    kill "$pid"
    while [ -e "/proc/$pid" ]; do sleep 0.1; done
}

restart() {
    end
    begin
}

stop() {
    end
    [ -e "$DIR/ip_forward" ] || return 0
    for bridge in $(cd /sys/class/net && ls -d docker0 br-* 2>/dev/null); do
        grep -qx "$bridge" "$DIR/interfaces" || ip link delete "$bridge"
    done
    for family in $FAMILIES; do
        restore_for $family <"$DIR/rules.$family"
        for table in $(tables_of $family); do
            grep -qx "$table" "$DIR/tables.$family" || nft delete table $family "$table"
        done
    done
    cat "$DIR/ip_forward" >/proc/sys/net/ipv4/ip_forward
}

"$1"
