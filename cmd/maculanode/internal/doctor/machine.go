package doctor

import (
	"os"
	"runtime"
	"time"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/transport/quic"
)

// buffers compares what the kernel gives with what QUIC wants.
func buffers() Line {
	const check = "UDP buffers"
	receive, send, wanted, err := quic.Buffers()
	switch {
	case err != nil:
		return fail(check, "allow UDP on the loopback interface", "%v", err)
	case receive < wanted || send < wanted:
		return warn(check, "as root: sysctl -w net.core.rmem_max=7500000 net.core.wmem_max=7500000",
			"%s to receive and %s to send, QUIC wants %s: bursts lose packets", bytesText(int64(receive)), bytesText(int64(send)), bytesText(int64(wanted)))
	}
	return ok(check, "%s to receive and %s to send", bytesText(int64(receive)), bytesText(int64(send)))
}

// What a node opens files for: all of QUIC goes through one socket, so
// connections of the mesh do not count.
const (
	ownFiles     = 32  // of the process, with its log and its libraries
	controlFiles = 64  // commands at a time
	httpFiles    = 64  // requests to the admin pages or to the API at a time
	backendFiles = 256 // connections to an HTTP backend; calls over it wait
)

// files compares the limit on open files with what the configuration may need.
func (in *Input) files() Line {
	const check = "open files"
	need := ownFiles + controlFiles
	if len(in.Mistakes) == 0 {
		c := &in.Config
		need += len(c.HTTP) * backendFiles
		if c.Admin.On {
			need += httpFiles
		}
		if c.API.On {
			need += httpFiles
		}
	}
	pid := 0
	if in.Status != nil {
		pid = in.Status.PID
	}
	limit, whose, known := fileLimit(pid)
	switch {
	case !known:
		return ok(check, "the system does not tell its limit; up to %d may be needed", need)
	case limit < need:
		return fail(check, "raise it: ulimit -n, or LimitNOFILE= of the systemd unit", "%s may have %d, and up to %d may be needed", whose, limit, need)
	}
	return ok(check, "%s may have %d, at most %d are needed: all connections of the mesh share one socket", whose, limit, need)
}

// memory compares what the caps allow with what there is.
func (in *Input) memory() Line {
	const check = "memory"
	limit, from := in.MemoryLimit, "its limit"
	if limit == 0 {
		limit, from = systemMemory(), "all of the machine"
	}
	if len(in.Mistakes) > 0 {
		return ok(check, "there are %s, %s", bytesText(limit), from)
	}
	most := in.Config.Node.Most()
	bodies := node.Memory(most)
	most.Bytes = 0
	need := node.Memory(most)
	switch {
	case limit == 0:
		return ok(check, "all caps together are %s, and %s with all bodies; the system does not tell what there is", bytesText(need), bytesText(bodies))
	case need > limit:
		return warn(check, "lower max_clients, max_peers or max_handlers, or give it more: load adaptation has to hold it below otherwise",
			"all caps together are %s, and there are %s, %s", bytesText(need), bytesText(limit), from)
	case bodies > limit:
		return warn(check, "lower ledger_node_call_bytes and ledger_node_queue_bytes, or give it more",
			"all caps together are %s and fit, but are %s with all bodies, and there are %s, %s", bytesText(need), bytesText(bodies), bytesText(limit), from)
	case in.MemoryLimit == 0:
		return warn(check, "set GOMEMLIMIT to what it may use: load adaptation measures against that",
			"all caps together are %s with all bodies and the machine has %s, but there is no limit", bytesText(bodies), bytesText(limit))
	}
	return ok(check, "all caps together are %s with all bodies, and there are %s, %s", bytesText(bodies), bytesText(limit), from)
}

// The years in which certificates of a node can be right.
const (
	firstYear = 2025 // this program is not older
	lastYear  = 2099
)

// clock checks that the wall clock is right, as far as that can be seen.
func clock(key string) Line {
	const (
		check = "clock"
		do    = "turn on time synchronisation: timedatectl set-ntp true, or chrony"
	)
	now := time.Now()
	if y := now.UTC().Year(); y < firstYear || y > lastYear {
		return fail(check, do, "the year is %d: certificates are refused on both sides", y)
	}
	if info, err := os.Stat(key); err == nil && info.ModTime().After(now.Add(time.Minute)) {
		return warn(check, do, "%s is from the future, %s: the clock has gone back", key, info.ModTime().Format(time.RFC3339))
	}
	switch synced, known := clockSynced(); {
	case !known:
		return ok(check, "%s; the system does not tell whether it is synchronised", now.UTC().Format(time.RFC3339))
	case !synced:
		return warn(check, do, "%s, and the kernel says that nothing synchronises it: certificates have dates", now.UTC().Format(time.RFC3339))
	}
	return ok(check, "%s, synchronised", now.UTC().Format(time.RFC3339))
}

// fileLimit is how many files the process pid, or this one, may have open.
func fileLimit(pid int) (limit int, whose string, known bool) {
	if pid != 0 && runtime.GOOS == "linux" {
		if n, ok := limitOf(pid); ok {
			return n, "the node", true
		}
	}
	n, ok := ownLimit()
	return n, "this process", ok
}
