#!/bin/sh
# Prepares the data directories of a mesh: for each node a key of its own, and
# a configuration that names the others by id and address.
#
#   deploy/mesh-init.sh DIR [NAME=HOST ...]
#
# Without names they are the four of deploy/compose.yml. A node that is there
# already keeps its key; its configuration is written again. The keys are the
# identities of the nodes: they are made here and belong into no repository.
#
# MACULANODE is the program to use, for example bin/maculanode; without it the
# image MACULA_IMAGE (maculanode) runs.
set -eu
umask 077

[ $# -ge 1 ] || { echo "usage: $0 DIR [NAME=HOST ...]" >&2; exit 2; }
mkdir -p "$1"
dir=$(cd "$1" && pwd)
shift
[ $# -gt 0 ] || set -- n1=n1 n2=n2 n3=n3 n4=n4

realm=${MACULA_REALM:-org.example.mesh}
port=${MACULA_PORT:-4433}

node() {
	if [ -n "${MACULANODE:-}" ]; then
		"$MACULANODE" "$@"
	else
		docker run --rm --network none --user "$(id -u):$(id -g)" --volume "$dir:$dir" "${MACULA_IMAGE:-maculanode}" "$@"
	fi
}

# Who asks for metrics shows this.
[ -e "$dir/token" ] || od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$dir/token"

for n in "$@"; do
	name=${n%%=*}
	mkdir -p "$dir/$name"
	[ -e "$dir/$name/node.key" ] || node init --dir "$dir/$name" --realm "$realm" >/dev/null
	rm -f "$dir/$name/maculanode.yaml" # that of init is for one node alone
	node id --dir "$dir/$name" >"$dir/$name/id"
	cp "$dir/token" "$dir/$name/token"
done

count=0
for n in "$@"; do
	name=${n%%=*}
	count=$((count + 1))
	{
		echo "# Written by mesh-init.sh; \"maculanode init\" writes a file with every key."
		echo "realm: $realm"
		echo "listen: 0.0.0.0:$port"
		echo "admin: 0.0.0.0:$((port + 1))"
		echo "admin_token_file: token"
		echo "peers:"
		for m in "$@"; do
			[ "$m" = "$n" ] || echo "  - $(cat "$dir/${m%%=*}/id")@${m#*=}:$port"
		done
		echo "# Services to try it with: of every node, of this one, and of some of them."
		echo "echo:"
		echo "  - demo.echo"
		echo "  - demo.$name"
		[ "$count" -le 2 ] || echo "  - demo.some"
	} >"$dir/$name/maculanode.yaml"
done

# The nodes are no root: not in a container, not elsewhere.
uid=$(id -u) gid=$(id -g)
if [ "$uid" = 0 ]; then
	uid=65532 gid=65532
fi
mkdir -p "$dir/prometheus" "$dir/grafana"
printf 'MACULA_MESH=%s\nMACULA_UID=%s\nMACULA_GID=%s\n' "$dir" "$uid" "$gid" >"$dir/env"
if [ "$(id -u)" = 0 ]; then
	chown -R "$uid:$gid" "$dir"
fi
for n in "$@"; do
	echo "${n%%=*} $(cat "$dir/${n%%=*}/id")"
done
