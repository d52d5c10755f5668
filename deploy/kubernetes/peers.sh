#!/usr/bin/env bash
# Prints the ConfigMap of macula.yaml: a configuration for each node, with the
# ids of the others. deploy/kubernetes/peers.sh [REPLICAS] asks the pods for
# them by kubectl; with 0 it prints the one to begin with, in which every node
# is alone.
set -euo pipefail

replicas=${1:-4}
pods=${PODS:-4}
realm=${MACULA_REALM:-org.example.mesh}

ids=()
for ((i = 0; i < replicas; i++)); do
	ids+=("$(kubectl exec "macula-$i" --container maculanode -- /maculanode id)")
done

cat <<END
# Printed by peers.sh.
apiVersion: v1
kind: ConfigMap
metadata:
  name: macula
data:
END
for ((i = 0; i < (replicas > 0 ? replicas : pods); i++)); do
	cat <<END
  macula-$i.yaml: |
    realm: $realm
    listen: 0.0.0.0:4433
    admin: 0.0.0.0:4434
    admin_token_file: /etc/macula/admin/token
    log_format: json
END
	for ((k = 0; k < replicas; k++)); do
		((k > 0 || replicas == 1)) || echo "    peers:"
		((k == i)) || echo "      - ${ids[k]}@macula-$k.macula:4433"
	done
done
