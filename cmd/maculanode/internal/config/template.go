package config

import "fmt"

// Template returns the commented configuration file of a new node.
func Template(realm, listen string) []byte {
	return fmt.Appendf(nil, template, realm, listen)
}

const template = `# The configuration of a maculanode.
# Over it stand the variables MACULA_<KEY IN UPPER CASE>, over those the flags.
# Relative paths start from the directory of this file.
# A key with a # in front has the value that is shown.

# The realm: nodes and clients of other realms are refused. Reverse DNS.
realm: %s

# The UDP address to listen on. 0.0.0.0:4433 serves other machines.
listen: %s

# Where other nodes dial this one, when that is not the address above.
# advertised: node1.example.org:4433

# Nodes to keep a connection to, as ID@HOST:PORT. They may be peers.
# "maculanode id" prints the id of a node.
# peers:
#   - 0123...@node2.example.org:4433

# Nodes that may come as peers without being listed above, by id.
# Everybody else of the realm may come as a client.
# allow_peers: []

# Let every node of the realm come as a peer. For development: it is refused
# when other machines can connect, unless the second key says so too.
# open_peers: false
# open_peers_beyond_loopback: false

# Services of this node that answer with what they are asked.
# echo: []

# Connections to peers; over it the least recently used idle one is closed.
# max_peers: 1000

# Attached clients; the next one is refused and told when to come again.
# max_clients: 10000

# How long an advertised service is found when nobody advertises it again.
# service_ttl: 300s

# How often expired entries are removed. They are not found even before.
# cleanup_interval: 60s

# How long calls in progress may take when the node is told to stop.
# drain_timeout: 30s

# The key file, and the socket through which the other commands reach the node.
# key: node.key
# control: control.sock

# debug, info, warn or error; text or json. The log goes to standard error.
# log_level: info
# log_format: text
`
