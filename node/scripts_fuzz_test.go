package node_test

import "github.com/maculamesh/macula/node/wire"

// script is a tape to begin with.
type script struct {
	name    string
	tape    []byte
	reaches func(x *scriptWorld) bool
}

// The ids that can dial, the roles, and the numbers of frames in a script.
const (
	asPeer, asStranger, asNode = 0, 1, 2
	rolePeer, roleClient       = 0, 1
)

// frameNumber is the place of a kind in the list of scriptPeers.frame.
func frameNumber(kind byte) byte {
	for i, k := range []byte{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 32, 33, 34, 35, 99, 200, 0, 255} {
		if k == kind {
			return byte(i)
		}
	}
	panic("no such frame")
}

func join(parts ...[]byte) (tape []byte) {
	for _, p := range parts {
		tape = append(tape, p...)
	}
	return tape
}

// admit connects in place conn and has its control stream in place 0.
func admit(conn, who, role byte) []byte { return []byte{stepAdmitted, conn, who, role, 0} }

// stream opens a stream of a type in place at.
func stream(conn, kind, at byte) []byte { return []byte{stepOpen, conn, kind, at} }

// send writes a frame on the stream in place at.
func send(conn, at, kind byte, fields ...byte) []byte {
	return append([]byte{stepFrame, conn, at, frameNumber(kind)}, fields...)
}

func pause(k byte) []byte { return []byte{stepSleep, 0, k} }

func honestly() []byte { return []byte{stepHonest, 0} }

// nodeAsks has the node call raw.a.
func nodeAsks(body byte) []byte { return []byte{stepAsk, 0, 0, body} }

// provideA advertises raw.a: name, who, version, ttl, hops, address.
func provideA(conn, who byte) []byte {
	return send(conn, 0, wire.KindAdvertise, 0, who, 1, 3, 0, 1)
}

// callOf sends a call: size, id, name, budget, flags.
func callOf(conn, at, size, id, name, budget byte) []byte {
	return send(conn, at, wire.KindCall, size, id, name, budget, 0)
}

// scripts are the tapes that the fuzzer begins with: the ways of a connection,
// and on each of them what breaks decoders.
func scripts() []script {
	takenIn := func(x *scriptWorld) bool { return x.last.Pool.Admitted > 0 || x.last.Clients.Admitted > 1 }
	served := func(n uint64) func(x *scriptWorld) bool {
		return func(x *scriptWorld) bool { return x.last.Server.Served >= n }
	}
	return append(hostile(), []script{
		{"nothing", nil, nil},
		{"silence", join([]byte{stepDial, 0, asStranger}, []byte{stepDial, 1, asPeer}, honestly(), pause(5)), nil},
		{"a client calls", join(admit(0, asStranger, roleClient), stream(0, 2, 1), callOf(0, 1, 1, 0, 3, 2), pause(2), []byte{stepRead, 0, 1}, honestly()), served(2)},
		{"a peer calls", join(admit(0, asPeer, rolePeer), stream(0, 2, 1), callOf(0, 1, 1, 0, 3, 2), callOf(0, 1, 1, 0, 6, 2), pause(2)), served(2)},
		{"a stranger as a peer", join(admit(0, asStranger, rolePeer), pause(2)), func(x *scriptWorld) bool { return x.last.Pool.Admitted == 0 }},
		{"the node itself", join(admit(0, asNode, roleClient), pause(2)), func(x *scriptWorld) bool { return x.last.Clients.Admitted == 1 }},
		{"a large call", join(admit(0, asStranger, roleClient), stream(0, 3, 1), callOf(0, 1, 6, 0, 3, 3), pause(2), []byte{stepRead, 0, 1}, []byte{stepHalfClose, 0, 1}), served(1)},
		{"a large call that is reset", join(admit(0, asStranger, roleClient), stream(0, 3, 1), callOf(0, 1, 6, 0, 4, 3), pause(2), []byte{stepReset, 0, 1, 5}, pause(2)), takenIn},
		{"more calls than allowed", join(admit(0, asStranger, roleClient), stream(0, 2, 1), callOf(0, 1, 0, 0, 4, 3), callOf(0, 1, 0, 0, 4, 3), callOf(0, 1, 0, 0, 4, 3), callOf(0, 1, 0, 0, 4, 3), callOf(0, 1, 0, 0, 4, 3), callOf(0, 1, 0, 0, 4, 3), honestly(), pause(4)), takenIn},
		{"a call that is sent again", join(admit(0, asStranger, roleClient), stream(0, 2, 1), callOf(0, 1, 0, 0, 4, 3), []byte{stepAgain, 0, 1}, []byte{stepAgain, 0, 1}, pause(2)), takenIn},
		{"calls that are cancelled", join(admit(0, asPeer, rolePeer), stream(0, 2, 1), callOf(0, 1, 0, 2+8, 4, 3), send(0, 1, wire.KindCancel, 0, 2+8, 5), send(0, 1, wire.KindCancel, 0, 2+16, 5), pause(2)), takenIn},
		{"a peer provides and answers", join(admit(0, asPeer, rolePeer), provideA(0, asPeer), pause(2), nodeAsks(1), []byte{stepAcceptStream, 0, 2}, []byte{stepRead, 0, 2}, send(0, 2, wire.KindReply, 1, 3), pause(3)), func(x *scriptWorld) bool { return x.last.Caller.OK > 0 }},
		{"a peer provides and fails", join(admit(0, asPeer, rolePeer), provideA(0, asPeer), pause(2), nodeAsks(1), []byte{stepAcceptStream, 0, 2}, []byte{stepRead, 0, 2}, send(0, 2, wire.KindError, 1, 2, 3, 17, 0, 0), pause(3)), func(x *scriptWorld) bool { return x.last.Caller.Failed > 0 }},
		{"a large call of the node", join(admit(0, asPeer, rolePeer), provideA(0, asPeer), pause(2), nodeAsks(2), []byte{stepAcceptStream, 0, 2}, []byte{stepRead, 0, 2}, []byte{stepRead, 0, 2}, []byte{stepRead, 0, 2}, send(0, 2, wire.KindReply, 1, 2+8), pause(1), []byte{stepCloseStream, 0, 2}, pause(3)), func(x *scriptWorld) bool { return x.last.Caller.OK > 0 }},
		{"a large call that is refused", join(admit(0, asStranger, roleClient), stream(0, 3, 1), callOf(0, 1, 6, 0, 8, 3), pause(2), []byte{stepRead, 0, 1}, []byte{stepCloseStream, 0, 1}, pause(3)), takenIn},
		{"a client provides and goes", join(admit(0, asStranger, roleClient), provideA(0, asStranger), pause(2), nodeAsks(2), []byte{stepAcceptStream, 0, 2}, []byte{stepCloseConn, 0, 0, 3}, pause(3)), func(x *scriptWorld) bool { return x.last.Registry.Added > 5 }},
		{"a provider that has to be dialled", join(admit(0, asPeer, rolePeer), provideA(0, asPeer), pause(2), []byte{stepCloseConn, 0, 0, 0}, pause(2), nodeAsks(0), pause(2), []byte{stepAcceptConn, 1}, []byte{stepAcceptStream, 1, 0}, send(1, 0, wire.KindWelcome, 1, 4), pause(2)), func(x *scriptWorld) bool { return x.last.Pool.Dials > 0 }},
		{"a question and a hint", join(admit(0, asPeer, rolePeer), nodeAsks(0), []byte{stepRead, 0, 0}, []byte{stepRead, 0, 0}, send(0, 0, wire.KindAnswer, 4, 0, 2, asPeer, 1, 3, 255, 1, asNode, 1, 3, 0, 2), pause(3)), func(x *scriptWorld) bool { return x.last.Discovery.Questions > 0 }},
		{"a query", join(admit(0, asPeer, rolePeer), send(0, 0, wire.KindQuery, 0, 3), send(0, 0, wire.KindQuery, 7, 7), pause(2), []byte{stepRead, 0, 0}), takenIn},
		{"going away", join(admit(0, asPeer, rolePeer), send(0, 0, wire.KindGoAway, 7, 10, 0), send(0, 0, wire.KindGoAwayAck), pause(4)), takenIn},
		{"two sessions of one client", join(admit(0, asStranger, roleClient), provideA(0, asStranger), admit(1, asStranger, roleClient), provideA(0, asStranger), provideA(1, asStranger), pause(4)), func(x *scriptWorld) bool { return x.last.Clients.Superseded > 0 }},
		{"two connections of one peer", join(admit(0, asPeer, rolePeer), admit(1, asPeer, rolePeer), pause(4), admit(2, asPeer, roleClient), pause(4)), takenIn},
		{"every stream silent", join(admit(0, asStranger, roleClient), stream(0, 5, 1), admit(1, asStranger, roleClient), stream(1, 3, 1), stream(1, 3, 2), stream(1, 3, 3), stream(1, 4, 4), pause(5)), takenIn},
		{"answers that nobody reads", join(admit(0, asStranger, roleClient), stream(0, 2, 1), callOf(0, 1, 0, 0, 6, 3), callOf(0, 1, 0, 0, 6, 3), callOf(0, 1, 0, 0, 6, 3), callOf(0, 1, 0, 0, 6, 3), honestly(), pause(6), honestly()), takenIn},
	}...)
}

// hostile are scripts of frames in the wrong place, before and after the hello.
func hostile() (all []script) {
	for _, before := range []bool{true, false} {
		begin, name := join([]byte{stepDial, 0, asPeer}, stream(0, 1, 0)), "before the hello: "
		if !before {
			begin, name = admit(0, asPeer, rolePeer), "after the hello: "
		}
		alone := func(x *scriptWorld) bool { // nobody was let in, or those who were before
			return (x.last.Pool.Admitted == 0) == before && x.last.Clients.Admitted == 1
		}
		for _, h := range []struct {
			name    string
			tape    []byte
			reaches func(x *scriptWorld) bool
		}{
			{"a second hello", send(0, 0, wire.KindHello, 1, 1, 2, 0), nil},
			{"a hello of another realm", send(0, 0, wire.KindHello, 1, 1, 2, 3), alone},
			{"a hello of another version", send(0, 0, wire.KindHello, 1, 1, 2, 7+8), alone},
			{"a role that there is not", send(0, 0, wire.KindHello, 3, 1, 2, 0), alone},
			{"a welcome", send(0, 0, wire.KindWelcome, 1, 4), nil},
			{"no kind", send(0, 0, 0), nil},
			{"an oversize length", send(0, 0, 255, 0), nil},
			{"a truncated frame", []byte{stepCut, 0, 0, frameNumber(wire.KindAdvertise), 0, asPeer, 1, 3, 0, 1, 9}, nil},
			{"a mutated frame", []byte{stepMutated, 0, 0, frameNumber(wire.KindAdvertise), 0, asPeer, 1, 3, 0, 1, 2, 0, 9, 0x80, 0, 3, 7, 0, 1, 1}, nil},
			{"a skippable kind", send(0, 0, 200, 9), nil},
			{"an unknown kind", send(0, 0, 99, 9), nil},
			{"a ping that wraps", join(send(0, 0, wire.KindPing, 7), send(0, 0, wire.KindPong, 7)), nil},
			{"somebody else's service", provideA(0, asStranger), nil},
			{"a call on the control stream", callOf(0, 0, 1, 0, 3, 2), nil},
			{"call 0, and one that wraps", join(stream(0, 2, 1), callOf(0, 1, 1, 7, 3, 2), callOf(0, 1, 1, 2, 3, 2)), nil},
			{"a second stream of calls", join(stream(0, 2, 1), stream(0, 2, 2)), nil},
			{"a type of stream that there is not", stream(0, 5, 1), nil},
			{"a large reply to nothing", join(stream(0, 4, 1), send(0, 1, wire.KindReply, 6, 7)), nil},
			{"datagrams", join([]byte{stepDatagram, 0, frameNumber(wire.KindPing), 0}, []byte{stepDatagram, 0, frameNumber(200), 39}), nil},
			{"a half close", []byte{stepHalfClose, 0, 0}, nil},
			{"a reset", []byte{stepReset, 0, 0, 13}, nil},
			{"stop sending", []byte{stepStop, 0, 0, 13}, nil},
			{"the end", []byte{stepCloseConn, 0, 255, 199}, nil},
		} {
			all = append(all, script{name + h.name, join(begin, h.tape, honestly(), pause(3)), h.reaches})
		}
	}
	return all
}
