package daemon

import (
	"fmt"
	"io"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/maculamesh/macula/cmd/maculanode/internal/config"
	"github.com/maculamesh/macula/cmd/maculanode/internal/hosts"
	"github.com/maculamesh/macula/cmd/maculanode/internal/logs"
	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/transport"
)

const somePeer = "7c7g1c5yzv2952wt0vmc8981m9153rhph1p2y2tr9pz559z8ebd31619"

// fields is what each key changes of the node, and of the transport behind
// "QUIC."; keys that are not here change neither.
var fields = map[string]string{
	"realm": "Realm", "advertised": "Advertised", "peers": "Bootstrap", "allow_peers": "Peers", "open_peers": "OpenPeers",
	"service_ttl": "Registry.TTL", "min_service_ttl": "Registry.MinTTL", "max_service_ttl": "Registry.MaxTTL", "service_ttls": "Registry.TTLs", "service_pause": "Registry.Pause",
	"max_peers": "Pool.Cap Discovery.Peers", "max_inbound_peers": "Pool.MaxInbound", "max_clients": "Clients.Limit", "max_services": "Registry.Entries", "max_services_per_owner": "Registry.PerOwner",
	"max_providers": "Registry.Providers", "max_handlers": "Server.MaxHandlers", "handshakes": "Handshakes", "client_takeovers": "Clients.Takeovers", "cleanup_batch": "CleanupBatch",
	"cleanup_interval": "CleanupInterval", "idle_after": "IdleAfter", "drain_timeout": "DrainTimeout", "client_retry_after": "Clients.RetryAfter", "handler_retry_after": "Server.RetryAfter",
	"dials": "Pool.Dials", "dial_rate": "Pool.DialRate", "dial_targets": "Pool.Targets", "dial_addrs": "Pool.Addrs", "dial_backoff": "Pool.Backoff.Base", "max_dial_backoff": "Pool.Backoff.Max",
	"dial_backoff_factor": "Pool.Backoff.Factor", "dial_backoff_jitter": "Pool.Backoff.Jitter", "dial_backoff_remembered": "Pool.Remembered",
	"pool_waiting": "Pool.Waiting", "pool_closing": "Pool.Closing Discovery.Peers", "pool_drain_timeout": "Pool.DrainTimeout", "pool_retry_after": "Pool.RetryAfter",
	"probe_timeout": "Pool.ProbeTimeout", "peer_takeovers": "Pool.Takeovers",
	"call_timeout": "Caller.Timeout", "max_call_timeout": "Caller.MaxTimeout", "attempts": "Caller.Attempts", "max_hops": "Caller.MaxHops", "lookup_timeout": "Caller.Discovery",
	"negative_ttl": "Caller.Negative", "lookups": "Caller.Lookups", "retry_share": "Caller.RetryShare", "retry_burst": "Caller.RetryBurst", "eject_after": "Caller.EjectAfter",
	"eject_for": "Caller.EjectFor", "max_eject": "Caller.MaxEject", "ejections_remembered": "Caller.Remembered",
	"hello_timeout": "Link.HelloTimeout", "first_byte_timeout": "Link.FirstByte", "write_timeout": "Link.WriteTimeout", "goaway_timeout": "Link.DrainTimeout",
	"max_calls": "Link.MaxCalls", "max_body": "Link.MaxBody", "small_body": "Link.SmallBody", "queue_bytes": "Link.QueueBytes",
	"discovery_names": "Discovery.Names", "discovery_peers": "Discovery.Peers", "discovery_asks": "Discovery.Asks", "discovery_fanout": "Discovery.Fanout",
	"discovery_forget": "Discovery.Forget", "discovery_batch": "Discovery.SendBatch",
	"handshake_timeout": "QUIC.HandshakeTimeout", "idle_timeout": "QUIC.IdleTimeout QUIC.KeepAlive", "keep_alive": "QUIC.KeepAlive", "stream_window": "QUIC.StreamWindow",
	"conn_window": "QUIC.ConnWindow", "max_streams": "QUIC.MaxStreams", "accept_queue": "QUIC.AcceptQueue",
	"adapt_interval": "Adapt.Interval", "adapt_elevated": "Adapt.Elevated", "adapt_high": "Adapt.High", "adapt_critical": "Adapt.Critical", "adapt_margin": "Adapt.Margin",
	"adapt_elevated_latency": "Adapt.ElevatedLatency", "adapt_high_latency": "Adapt.HighLatency", "adapt_critical_latency": "Adapt.CriticalLatency", "adapt_rise": "Adapt.Rise", "adapt_fall": "Adapt.Fall",
	"ledger_node_conns": "Ledger.Node.Conn.Count Ledger.Realm.Conn.Count", "ledger_node_conn_bytes": "Ledger.Node.Conn.Bytes Ledger.Realm.Conn.Bytes",
	"ledger_node_streams": "Ledger.Node.Stream.Count Ledger.Realm.Stream.Count", "ledger_node_stream_bytes": "Ledger.Node.Stream.Bytes Ledger.Realm.Stream.Bytes",
	"ledger_node_calls": "Ledger.Node.Call.Count Ledger.Realm.Call.Count", "ledger_node_call_bytes": "Ledger.Node.Call.Bytes Ledger.Realm.Call.Bytes",
	"ledger_node_queues": "Ledger.Node.Queue.Count Ledger.Realm.Queue.Count", "ledger_node_queue_bytes": "Ledger.Node.Queue.Bytes Ledger.Realm.Queue.Bytes",
	"ledger_node_entries": "Ledger.Node.Entry.Count Ledger.Realm.Entry.Count", "ledger_node_entry_bytes": "Ledger.Node.Entry.Bytes Ledger.Realm.Entry.Bytes",
	"ledger_realm_conns": "Ledger.Realm.Conn.Count", "ledger_realm_conn_bytes": "Ledger.Realm.Conn.Bytes", "ledger_realm_streams": "Ledger.Realm.Stream.Count", "ledger_realm_stream_bytes": "Ledger.Realm.Stream.Bytes",
	"ledger_realm_calls": "Ledger.Realm.Call.Count", "ledger_realm_call_bytes": "Ledger.Realm.Call.Bytes", "ledger_realm_queues": "Ledger.Realm.Queue.Count", "ledger_realm_queue_bytes": "Ledger.Realm.Queue.Bytes",
	"ledger_realm_entries": "Ledger.Realm.Entry.Count", "ledger_realm_entry_bytes": "Ledger.Realm.Entry.Bytes",
	"ledger_peer_conns": "Ledger.Peer.Conn.Count", "ledger_peer_conn_bytes": "Ledger.Peer.Conn.Bytes", "ledger_peer_streams": "Ledger.Peer.Stream.Count", "ledger_peer_stream_bytes": "Ledger.Peer.Stream.Bytes",
	"ledger_peer_calls": "Ledger.Peer.Call.Count", "ledger_peer_call_bytes": "Ledger.Peer.Call.Bytes", "ledger_peer_queues": "Ledger.Peer.Queue.Count", "ledger_peer_queue_bytes": "Ledger.Peer.Queue.Bytes",
	"ledger_peer_entries": "Ledger.Peer.Entry.Count", "ledger_peer_entry_bytes": "Ledger.Peer.Entry.Bytes",
}

// texts are values of the keys that take neither a number nor a duration.
var texts = map[string]string{
	"realm": "org.example.other", "listen": "127.0.0.1:5", "advertised": "192.0.2.1:7", "peers": somePeer + "@192.0.2.1:4433", "allow_peers": somePeer,
	"open_peers": "true", "open_peers_beyond_loopback": "true", "echo": "demo.echo", "http": "demo.x=http://127.0.0.1:8/", "service_ttls": "demo.**=9s", "max_inbound_peers": "9",
	"admin": "127.0.0.1:6", "api": "127.0.0.1:7", "log_level": "debug", "log_format": "json", "dial_backoff_jitter": "full",
	"key": "/x", "control": "/x", "admin_token_file": "/x", "api_token_file": "/x",
}

// near are values that differ a little from one.
func near(value string) []string {
	if d, err := time.ParseDuration(value); err == nil {
		return []string{(d + time.Millisecond).String(), (d - time.Millisecond).String()}
	}
	digits := strings.TrimRight(value, "KMGiB%")
	n, _ := strconv.Atoi(digits)
	unit := value[len(digits):]
	if n == 1 && len(unit) == 3 { // a size that has no smaller one in its unit
		return []string{"2" + unit, "1023" + map[string]string{"GiB": "MiB", "MiB": "KiB"}[unit]}
	}
	return []string{fmt.Sprint(n+1) + unit, fmt.Sprint(n-1) + unit}
}

// built is what a configuration makes of the node and of the transport.
type built struct {
	Node node.Config
	QUIC transport.Config
}

func build(t *testing.T, flags ...config.Value) (built, config.Config, error) {
	t.Helper()
	flags = append([]config.Value{{Flag: "realm", Text: []string{"org.example.one"}}}, flags...)
	cfg, err := config.Load(config.Sources{Dir: "/nowhere", Env: func(string) string { return "" }, Flags: flags})
	if err != nil {
		return built{}, cfg, err
	}
	d := &running{cfg: cfg, opt: Options{Log: logs.New(io.Discard, logs.Config{}), Names: &hosts.Names{}}}
	if cfg.Advertised.Host == "" {
		d.cfg.Advertised = config.Endpoint{Host: "192.0.2.9", Port: 1} // without a transport there is no address to take
	}
	nc, err := d.nodeConfig(t.Context())
	return built{nc, d.quicConfig().Config}, cfg, err
}

// differing lists the fields in which two values differ.
func differing(a, b reflect.Value, path string) []string {
	if a.Kind() == reflect.Struct && a.Type().PkgPath() != "net/netip" {
		var out []string
		for i := range a.NumField() {
			out = append(out, differing(a.Field(i), b.Field(i), path+"."+a.Type().Field(i).Name)...)
		}
		return out
	}
	if a.Kind() == reflect.Func || reflect.DeepEqual(a.Interface(), b.Interface()) {
		return nil
	}
	return []string{strings.TrimPrefix(strings.TrimPrefix(path, "."), "Node.")}
}

func TestEveryKeyReachesTheNodeAndNothingElse(t *testing.T) {
	plain, cfg, err := build(t)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range cfg.List() {
		candidates := near(s.Value)
		if v, ok := texts[s.Key]; ok {
			candidates = []string{v}
		}
		flag := strings.ReplaceAll(s.Key, "_", "-")
		if f := map[string]string{"peers": "peer", "allow_peers": "allow-peer"}[s.Key]; f != "" {
			flag = f
		}
		var got built
		var set config.Config
		for _, v := range candidates {
			if got, set, err = build(t, config.Value{Flag: flag, Text: []string{v}}); err == nil {
				break
			}
		}
		if err != nil {
			t.Errorf("%s: no value near %s is accepted: %v", s.Key, s.Value, err)
			continue
		}
		if set.Origin(s.Key) != "--"+flag {
			t.Errorf("--%s did not reach %s: it comes from %s", flag, s.Key, set.Origin(s.Key))
		}
		diff := differing(reflect.ValueOf(plain), reflect.ValueOf(got), "")
		want := strings.Fields(fields[s.Key])
		slices.Sort(diff)
		slices.Sort(want)
		if !slices.Equal(diff, want) {
			t.Errorf("%s changes %q, want %q", s.Key, diff, want)
		}
	}
	for key := range fields {
		if !slices.ContainsFunc(cfg.List(), func(s config.Setting) bool { return s.Key == key }) {
			t.Errorf("there is no key %s any more", key)
		}
	}
}
