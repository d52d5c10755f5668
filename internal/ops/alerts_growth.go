package ops

// registryGrows: four quarters of an hour, each with more than the one before,
// and the same names. The half minute keeps a sample at the border of two
// quarters out of one of them, whatever the version of Prometheus.
const registryGrows = `min_over_time(macula_table_entries{table="` + tableServices + `"}[14m30s]) > max_over_time(macula_table_entries{table="` + tableServices + `"}[14m30s] offset 15m)
and min_over_time(macula_table_entries{table="` + tableServices + `"}[14m30s] offset 15m) > max_over_time(macula_table_entries{table="` + tableServices + `"}[14m30s] offset 30m)
and min_over_time(macula_table_entries{table="` + tableServices + `"}[14m30s] offset 30m) > max_over_time(macula_table_entries{table="` + tableServices + `"}[14m30s] offset 45m)
and macula_table_entries{table="` + tableServices + `"} > 100
and on (job, instance) macula_registry_names <= 1.05 * (macula_registry_names offset 1h)`

// growthAlerts are about what grows and does not stop.
var growthAlerts = []Alert{
	{
		Name: "MaculaRegistryGrowth", Expr: registryGrows, For: "15m", Severity: warning,
		Summary:     "{{ $labels.instance }}: the registry grows and the names do not",
		Description: "The registry has grown for an hour without a pause, to {{ $value | humanize }} entries, while there are no more names than before: providers come and do not leave.",
		Fires:       Case{Series: series{`macula_table_entries{table="services"}`: "1000+10x120", "macula_registry_names": "40x120"}, At: "100m", Value: "1.86k", Labels: labels{"table": "services"}},
		Quiet:       Case{Series: series{`macula_table_entries{table="services"}`: "1000+10x120", "macula_registry_names": "40+1x120"}, At: "100m"},
	},
	{
		Name: "MaculaMemoryGrowth", Expr: rises("macula_memory_used_bytes", "59m", 2, "8e6") + "\n" + steady(6), For: "30m", Severity: warning,
		Summary:     "{{ $labels.instance }}: memory grows and the load does not",
		Description: "The least memory of an hour has risen by at least 8 MB every two hours for six hours, to {{ $value | humanize1024 }}B, with no more connections than then.",
		Fires:       Case{Series: series{"macula_memory_used_bytes": "100000000+1048576x80", "macula_transport_connections": "50x80"}, Every: "10m", At: "10h", Value: "150.4Mi"},
		Quiet:       Case{Series: series{"macula_memory_used_bytes": "100000000+1048576x80", "macula_transport_connections": "50+10x80"}, Every: "10m", At: "10h"},
	},
	{
		Name: "MaculaGoroutineGrowth", Expr: rises(`go_goroutines{`+ofMacula+`}`, "29m", 1, "25") + "\n" + steady(3), For: "30m", Severity: warning,
		Summary:     "{{ $labels.instance }}: goroutines grow and the load does not",
		Description: "The least number of goroutines of half an hour has risen by more than 25 every hour for three hours, to {{ $value | humanize }}, with no more connections than then.",
		Fires:       Case{Series: series{"go_goroutines": "200+10x60", "macula_transport_connections": "50x60"}, Every: "10m", At: "6h", Value: "540"},
		Quiet:       Case{Series: series{"go_goroutines": "200+50x20 1150x40", "macula_transport_connections": "50x60"}, Every: "10m", At: "6h"},
	},
	{
		Name: "MaculaDescriptorGrowth", Expr: rises(`process_open_fds{`+ofMacula+`}`, "29m", 1, "5"), For: "30m", Severity: warning,
		Summary:     "{{ $labels.instance }}: open file descriptors grow",
		Description: "The least number of open descriptors of half an hour has risen by more than five every hour for three hours, to {{ $value | humanize }}. Connections of the mesh are no descriptors, so nothing should grow.",
		Fires:       Case{Series: series{"process_open_fds": "20+2x60"}, Every: "10m", At: "6h", Value: "88"},
		Quiet:       Case{Series: series{"process_open_fds": "20+2x10 40x50"}, Every: "10m", At: "6h"},
	},
}

// leftoverAlerts are about what should have ended with somebody else.
var leftoverAlerts = []Alert{
	{
		Name: "MaculaStreamsOrphaned", Expr: `macula_transport_streams > 0 and macula_transport_connections == 0`, For: "5m", Severity: critical,
		Summary:     "{{ $labels.instance }}: streams without a connection",
		Description: "{{ $value | humanize }} streams are open and there is no connection that they could belong to: they have outlived whoever opened them. This is a bug.",
		Fires:       Case{Series: series{"macula_transport_streams": "8x15", "macula_transport_connections": "4 0x15"}, At: "10m", Value: "8"},
		Quiet:       Case{Series: series{"macula_transport_streams": "8 0x15", "macula_transport_connections": "4 0x15"}, At: "10m"},
	},
	{
		Name: "MaculaStreamHalfClosed", Expr: `macula_oldest_seconds{what="half_closed_stream"} > 660`, For: "5m", Severity: warning,
		Summary:     "{{ $labels.instance }}: a stream has been half closed for long",
		Description: "A stream has been closed from one side for {{ $value | humanizeDuration }}. No call may take more than max_call_timeout, ten minutes, so the other side has forgotten it.",
		Fires:       Case{Series: series{`macula_oldest_seconds{what="half_closed_stream"}`: "0+60x40"}, At: "20m", Value: "20m 0s", Labels: labels{"what": "half_closed_stream"}},
		Quiet:       Case{Series: series{`macula_oldest_seconds{what="half_closed_stream"}`: "0+60x9 0x30"}, At: "20m"},
	},
	{
		Name: "MaculaCallTooOld", Expr: `macula_oldest_seconds{what="call"} > 660`, For: "5m", Severity: critical,
		Summary:     "{{ $labels.instance }}: a call is older than any may be",
		Description: "A call has been in flight for {{ $value | humanizeDuration }}. Every call ends by its deadline, at most max_call_timeout (ten minutes), and with its caller.",
		Fires:       Case{Series: series{`macula_oldest_seconds{what="call"}`: "0+60x40"}, At: "20m", Value: "20m 0s", Labels: labels{"what": "call"}},
		Quiet:       Case{Series: series{`macula_oldest_seconds{what="call"}`: "0+60x9 0x30"}, At: "20m"},
	},
	{
		Name: "MaculaHandshakeTooOld", Expr: `macula_oldest_seconds{what="handshake"} > 60`, For: "5m", Severity: warning,
		Summary:     "{{ $labels.instance }}: a handshake does not end",
		Description: "A connection has been neither admitted nor refused for {{ $value | humanizeDuration }}. Each has a deadline of seconds.",
		Fires:       Case{Series: series{`macula_oldest_seconds{what="handshake"}`: "0+60x40"}, At: "20m", Value: "20m 0s", Labels: labels{"what": "handshake"}},
		Quiet:       Case{Series: series{`macula_oldest_seconds{what="handshake"}`: "5x40"}, At: "20m"},
	},
}
