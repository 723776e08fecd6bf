#!/bin/sh
# Runs a test in a small simulated cluster: hosts.sh PROGRAM [ARGUMENT...]
#
# Three hosts are network namespaces with their own names (192.0.2.1 to .3). Each has a link of limited rate (and with
# delay, if the kernel supports it) to the switch, where PROGRAM runs. PROGRAM finds in the environment:
#   HOSTS_AGENT   for mpirun's plm_rsh_agent: runs a command on a host, as ssh does
#   HOSTS_DELAY   milliseconds each way, or "none"
# and may take a host's link down with `ip link set linkN down`, or kill $(ip netns pids hostN).
#
# Everything, including processes, is in kernel namespaces that end with this script, however it ends. Without the right to
# create them the test is skipped (77).
set -eu
# shellcheck disable=SC2086 # $spaces is a list of options

if [ "${1-}" != --inside ]; then
    for command in ip tc unshare mpirun; do
        if ! command -v "$command" >/dev/null; then
            echo "skipped: there is no $command (apt install iproute2 util-linux openmpi-bin)"
            exit 77
        fi
    done
    spaces="--net --mount --uts --pid --fork --kill-child --mount-proc"
    [ "$(id -u)" = 0 ] || spaces="--user --map-root-user $spaces"
    if ! why=$(unshare $spaces sh -c 'mount -t tmpfs none /run && ip link add name try type bridge' 2>&1); then
        echo "skipped: namespaces are not allowed here: $why"
        exit 77
    fi
    exec unshare $spaces "$0" --inside "$@"
fi
shift

mount -t tmpfs none /run # for the names of `ip netns`, and for what killed programs leave behind
mkdir /run/tmp
export TMPDIR=/run/tmp
ip link set lo up
ip link add name switch type bridge
ip address add 192.0.2.254/24 dev switch
ip link set switch up
HOSTS_DELAY=none
for i in 1 2 3; do
    ip netns add "host$i"
    ip link add name "link$i" type veth peer name eth0 netns "host$i"
    ip link set "link$i" master switch up
    ip -n "host$i" address add "192.0.2.$i/24" dev eth0
    ip -n "host$i" link set lo up
    ip -n "host$i" link set eth0 up
    ip netns exec "host$i" tc qdisc add dev eth0 root handle 1: tbf rate 400mbit burst 128kb latency 100ms
    if ip netns exec "host$i" tc qdisc add dev eth0 parent 1:1 netem delay 2ms 2>/dev/null; then
        HOSTS_DELAY=2
    fi
done

# mpirun calls it as ssh: AGENT [OPTION...] ADDRESS COMMAND...
HOSTS_AGENT=/run/agent
cat >"$HOSTS_AGENT" <<'AGENT'
#!/bin/sh
while [ "${1#-}" != "$1" ]; do
    shift
done
host=host${1##*.}
shift
exec ip netns exec "$host" unshare --uts sh -c 'hostname "$1"; shift; exec sh -c "$*"' sh "$host" "$@"
AGENT
chmod +x "$HOSTS_AGENT"
export HOSTS_AGENT HOSTS_DELAY
"$@"
