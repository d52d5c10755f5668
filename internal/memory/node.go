package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"

	"github.com/maculamesh/macula/node"
	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/transport"
)

// nodeVerb is the first argument of the process that is the node.
const nodeVerb = "node"

const realm = "org.example.memory"

// Services of the node: the handlers of hold wait for their callers to leave,
// those of echo answer.
const (
	hold = "hold"
	echo = "echo"
)

// report is what the node says of itself.
type report struct {
	Live     int64 // bytes of the heap after a collection, and of stacks
	RSS      int64
	Peers    int
	Clients  int
	Services int
	Handlers int
}

// serve is the node, or a sink: it prints its id and address, and then a report
// for each line that it reads. A line "provide N" lets the node advertise N
// services before.
func serve(sink bool) error {
	r, tr, err := open()
	if err != nil {
		return err
	}
	defer tr.Close()
	n, err := node.New(node.Config{Realm: realm, OpenPeers: true}, node.Deps{Runtime: r, Transport: tr, ID: tr.ID()})
	if err != nil {
		return err
	}
	defer n.Close()
	if sink {
		l, err := tr.Listen(transport.ListenConfig{})
		if err != nil {
			return err
		}
		go accept(context.Background(), l)
	} else {
		go n.Serve(context.Background())
		for name, h := range map[string]node.Handler{hold: wait, echo: nothing} {
			if _, err := n.Advertise(name, h, node.AdvertiseOptions{}); err != nil {
				return err
			}
		}
	}
	fmt.Println(ident.String(tr.ID()), tr.Addr())
	in := bufio.NewScanner(os.Stdin)
	for in.Scan() {
		if count, ok := strings.CutPrefix(in.Text(), "provide "); ok {
			k, _ := strconv.Atoi(count)
			for i := range k {
				if _, err := n.Advertise(fmt.Sprintf("local.%06d", i), nothing, node.AdvertiseOptions{}); err != nil {
					return err
				}
			}
		}
		if err := json.NewEncoder(os.Stdout).Encode(state(n)); err != nil {
			return err
		}
	}
	return nil
}

func wait(ctx context.Context, _ *node.Request) ([]byte, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

func nothing(context.Context, *node.Request) ([]byte, error) { return nil, nil }

// state collects the garbage and looks at what is left. What finalizers keep
// goes with the second collection.
func state(n *node.Node) report {
	runtime.GC()
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	st := n.Status()
	return report{
		Live: int64(m.HeapAlloc + m.StackInuse), RSS: resident(),
		Peers: st.Pool.Open, Clients: st.Clients.Attached, Services: st.Registry.Entries, Handlers: st.Server.Running,
	}
}

// resident is the resident set of this process in bytes; 0 where there is no
// /proc.
func resident() int64 {
	text, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text))
	pages, _ := strconv.ParseInt(fields[1], 10, 64)
	return pages * int64(os.Getpagesize())
}
