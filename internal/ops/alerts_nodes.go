package ops

// nodeAlerts are about nodes as a whole.
var nodeAlerts = []Alert{
	{
		Name: "MaculaNodeDown", Expr: `up{job=~".*macula.*"} == 0`, For: "2m", Severity: critical,
		Summary:     "{{ $labels.instance }} cannot be scraped",
		Description: "Prometheus has not reached the admin address of this node for two minutes: the node, its machine or the way to it is down.",
		Fires:       Case{Series: series{"up": "1 1 0x10"}, At: "6m"},
		Quiet:       Case{Series: series{"up": "1 1 0 1x10"}, At: "6m"},
	},
	{
		Name: "MaculaNodeNotReady", Expr: `macula_ready == 0 unless on (job, instance) macula_draining == 1`, For: "5m", Severity: critical,
		Summary:     "{{ $labels.instance }} runs and is not ready",
		Description: "The node has said for five minutes that it is not ready, and nobody has drained it. Its /readyz says why.",
		Fires:       Case{Series: series{"macula_ready": "1 0x15", "macula_draining": "0x16"}, At: "10m"},
		Quiet:       Case{Series: series{"macula_ready": "1 0x15", "macula_draining": "0 1x15"}, At: "10m"},
	},
	{
		Name: "MaculaNodeDraining", Expr: `macula_draining == 1`, For: "30m", Severity: warning,
		Summary:     "{{ $labels.instance }} was drained and still runs",
		Description: "The node takes nobody new and was left in this state for half an hour: restart it or stop it.",
		Fires:       Case{Series: series{"macula_draining": "0 1x60"}, At: "40m"},
		Quiet:       Case{Series: series{"macula_draining": "0 1x20 0x120"}, At: "40m"},
	},
	{
		Name: "MaculaNodeRestarts", Expr: `changes(process_start_time_seconds{job=~".*macula.*"}[1h]) >= 3`, Severity: warning,
		Summary:     "{{ $labels.instance }} restarts again and again",
		Description: "The process has started {{ $value | humanize }} times within an hour.",
		Fires:       Case{Series: series{"process_start_time_seconds": "100x10 700x10 1300x10 1900x10"}, At: "43m", Value: "3"},
		Quiet:       Case{Series: series{"process_start_time_seconds": "100x10 700x33"}, At: "43m"},
	},
	{
		Name: "MaculaNodeAlone", Expr: `macula_pool_connections == 0 and on (job) count by (job) (macula_build_info) > 1`, For: "15m", Severity: warning,
		Summary:     "{{ $labels.instance }} has no connection to any peer",
		Description: "There are other nodes, and this one has had no connection to any of them for a quarter of an hour: services of the others cannot be called from here.",
		Fires:       Case{Series: series{"macula_pool_connections": "2 0x30", "macula_build_info": "1x31", `macula_build_info{instance="n2:4434"}`: "1x31"}, At: "20m"},
		Quiet:       Case{Series: series{"macula_pool_connections": "0x31", "macula_build_info": "1x31"}, At: "20m"},
	},
	{
		Name: "MaculaVersionsDiffer", Expr: `count by (job) (count by (job, version) (macula_build_info)) > 1`, For: "6h", Severity: info,
		Summary:     "the nodes of {{ $labels.job }} run different versions",
		Description: "There have been {{ $value | humanize }} versions side by side for six hours: an upgrade was not finished.",
		Fires: Case{Series: series{`macula_build_info{version="v1.0.0"}`: "1x120", `macula_build_info{instance="n2:4434",version="v1.1.0"}`: "1x120"},
			Every: "5m", At: "8h", Value: "2", Without: "instance"},
		Quiet: Case{Series: series{`macula_build_info{version="v1.1.0"}`: "1x120", `macula_build_info{instance="n2:4434",version="v1.1.0"}`: "1x120"}, Every: "5m", At: "8h"},
	},
}
