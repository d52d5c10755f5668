package netsim_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/maculamesh/macula/netsim"
	"github.com/maculamesh/macula/sim"
)

func TestATraceSaysWhatEachPacketIs(t *testing.T) {
	var got []string
	cfg := sim.Config{Trace: func(r sim.Record) {
		if r.Kind == sim.KindDeliver || r.Kind == sim.KindDrop {
			got = append(got, fmt.Sprintf("%v %s from %s after %v %s", r.Kind, r.Machine, r.Peer, r.Took, r.Text))
		}
	}}
	inLab(t, cfg, netsim.Link{Latency: 10 * ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		l.stream(ca, cb)
		_, sb := l.stream(ca, cb)
		l.write(sb, "hello")
		sb.CloseWrite()
		sb.CancelRead(5)
		l.sleep(100 * ms)
		l.net.Cut(a.host, b.host)
		ca.CloseWithError(9, "bye")
		l.net.HealAll()
		l.sleep(10 * ms)
		cb.CloseWithError(3, "")
		l.close(a, b)
	})
	want := []string{
		"deliver b from a after 10ms initial, #1",
		"deliver a from b after 10ms hello, #1",
		"deliver b from a after 10ms finished, #1",
		"deliver b from a after 10ms data to 1, stream 0 of #1",
		"deliver b from a after 10ms data to 1, stream 4 of #1",
		"deliver a from b after 10ms data to 5 and FIN, stream 4 of #1",
		"deliver a from b after 10ms stop_sending with code 5, stream 4 of #1",
		"deliver b from a after 10ms reset_stream at 1, stream 4 of #1",
		"deliver b from a after 10ms ack of FIN, stream 4 of #1",
		"deliver a from b after 10ms ack of reset_stream, stream 4 of #1",
		"deliver a from b after 10ms max_streams at 65, #1",
		"drop b from a after 0s close with code 9, #1",
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("the trace says\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestWhatAConnectionDeliversBeforeItDiesAtAByteIsRecorded(t *testing.T) {
	var got []string
	cfg := sim.Config{Trace: func(r sim.Record) {
		if r.Kind == sim.KindDeliver && strings.HasPrefix(r.Text, "data") {
			got = append(got, r.Text)
		}
	}}
	inLab(t, cfg, netsim.Link{Latency: ms}, func(l *lab) {
		a, b := l.node(), l.node()
		ca, cb := l.connect(a, b)
		sa, _ := l.stream(ca, cb)
		l.net.KillAfter(a.host, b.host, 5)
		l.write(sa, "1234567")
		l.died(cb)
		l.close(a, b)
	})
	if want := []string{"data to 1, stream 0 of #1", "data to 6, stream 0 of #1"}; !slices.Equal(got, want) {
		t.Errorf("the trace says %q, want %q", got, want)
	}
}
