package control

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode"

	"github.com/maculamesh/macula/node/fault"
)

// framed is text behind its length.
func framed(text string) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(len(text))), text...)
}

// messages are what breaks decoders: for both ends.
func messages() [][]byte {
	all := [][]byte{
		{}, {0}, {0, 0, 0, 0}, {0xff, 0xff, 0xff, 0xff}, {0, 0x20, 0, 1}, {0, 0x20, 0, 0, '{'}, {0, 0, 0, 9, '{', '}'},
		append(framed(`{"verb":"status"}`), framed(`{"verb":"status"}`)...),
	}
	for _, text := range []string{
		`{}`, `null`, `[]`, `0`, `"status"`, `NaN`, `{"verb":NaN}`, `{"timeout_ns":NaN}`, `{"timeout_ns":1e400}`, `{"timeout_ns":18446744073709551616}`, `{"timeout_ns":-1}`,
		`{"verb":"status","verb":"call"}`, `{"VERB":"status"}`, `{"verb":"status"}{"verb":"call"}`, `{"verb":"status"} x`,
		`{"verb":"call","name":"demo.echo","body":"aGVsbG8=","timeout_ns":5000000000,"idempotent":true}`, `{"verb":"call","name":"a\nb","body":"!"}`, `{"verb":"call","body":"aGVsbG8"}`,
		`{"verb":"advertise","name":"a.b","http":"http://127.0.0.1/","ttl_ns":1,"detach":true}`, `{"verb":"withdraw","name":"a.b"}`,
		`{"verb":"lookup","name":"a\u0000b"}`, `{"verb":"limits","set":["max_peers=1",""],"for_ns":-1}`, `{"verb":"limits","set":[` + strings.Repeat(`"a",`, 3000) + `"b"]}`, `{"verb":"profile","name":"../heap"}`, `{"verb":"drain"}`, `{"verb":"reload"}`,
		`{"verb":"` + strings.Repeat("x", 5000) + `"}`, `{"verb":"` + strings.Repeat(`\n`, 500) + `"}`, "{\"verb\":\"\xff\xfe\"}", `{"verb":"\ud800"}`, `{"verb":"\u001b[2J"}`,
		strings.Repeat("[", 20000), strings.Repeat(`{"a":`, 20000), `{"` + strings.Repeat("k", 3000) + `":1}`, `{"name":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
		`{"error":{"code":2,"kind":"overload","message":"full","retry_after_ns":1000}}`, `{"error":{"code":65536}}`, `{"error":{"code":65535,"message":"two\nlines","retry_after_ns":-9223372036854775808}}`,
		`{"error":{"message":"` + strings.Repeat("m", 5000) + `"}}`, `{"body":"aGVsbG8="}`, `{"status":{"id":"x","pool":{"now":1},"peer_list":[{}],"uptime_seconds":1e308}}`,
	} {
		all = append(all, framed(text), framed(text)[:2+len(text)/2])
	}
	return all
}

// oneLine demands that an error is one short line of text.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if msg := err.Error(); len(msg) > 1500 || strings.ContainsFunc(msg, unicode.IsControl) {
		t.Fatalf("the error has %d bytes, want one short line: %.2000q", len(msg), msg)
	}
}

// FuzzRead reads messages as both ends do. A length is refused before anything
// behind it is read; no more is taken from the stream than the message; the
// bytes may come one by one; and what is taken is written and read again as it
// was.
func FuzzRead(f *testing.F) {
	for _, m := range messages() {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		readOne[Request](t, stream)
		readOne[Response](t, stream)
	})
}

func readOne[T any](t *testing.T, stream []byte) {
	t.Helper()
	var got, slow T
	src := bytes.NewReader(stream)
	err := read(src, &got)
	serr := read(iotest.OneByteReader(bytes.NewReader(stream)), &slow)
	if (err == nil) != (serr == nil) || !reflect.DeepEqual(got, slow) {
		t.Fatalf("%+v, %v, and byte by byte %+v, %v", got, err, slow, serr)
	}
	if len(stream) >= 4 {
		n := int(binary.BigEndian.Uint32(stream))
		taken := len(stream) - src.Len()
		if n > MaxFrame && (fault.KindOf(err) != fault.TooLarge || taken != 4) {
			t.Fatalf("a length of %d: %v, %d bytes taken", n, err, taken)
		}
		if n <= MaxFrame && taken > 4+n {
			t.Fatalf("%d bytes taken of a message of %d", taken, n)
		}
	}
	if err != nil {
		oneLine(t, err)
		return
	}
	var b bytes.Buffer
	if err := write(&b, &got); err != nil {
		if fault.KindOf(err) != fault.TooLarge { // "<" takes six bytes in our JSON
			t.Fatal(err)
		}
		return
	}
	var again T
	if err := read(&b, &again); err != nil || b.Len() != 0 {
		t.Fatalf("what was written cannot be read: %v, %d bytes left", err, b.Len())
	}
	one, _ := json.Marshal(&got)
	two, _ := json.Marshal(&again)
	if !bytes.Equal(one, two) {
		t.Fatalf("%s became %s", one, two)
	}
}

// A message of which only the length has arrived costs what has arrived.
func TestALengthAloneTakesNoMemory(t *testing.T) {
	head := binary.BigEndian.AppendUint32(nil, MaxFrame)
	const times = 100
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range times {
		var req Request
		if err := read(bytes.NewReader(head), &req); !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if size := (after.TotalAlloc - before.TotalAlloc) / times; size > 64<<10 {
		t.Errorf("%d bytes", size)
	}
}

// FuzzSession plays a node to the command's end of the socket: whatever comes
// is an answer or an error in one short line with a kind.
func FuzzSession(f *testing.F) {
	for _, m := range messages() {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		s := &Session{conn: &tape{in: bytes.NewReader(stream)}, ctx: context.Background(), stop: func() bool { return true }}
		defer s.Close()
		for range 3 {
			resp, err := s.Next()
			if err == nil {
				if resp.Error != nil {
					t.Fatalf("a failure that is no error: %+v", resp.Error)
				}
				continue
			}
			oneLine(t, err)
			var f *fault.Error
			if !errors.As(err, &f) || fault.RetryAfter(err) < 0 {
				t.Fatalf("an error of kind %v, to be tried again after %v: %v", fault.KindOf(err), fault.RetryAfter(err), err)
			}
			if errors.Is(err, fault.Unreachable) {
				return
			}
		}
	})
}

// FuzzServe plays a command to the node's end of the socket. The node is asked
// at most once, for what the message says; and what is answered is messages,
// each an answer or a failure in one short line.
func FuzzServe(f *testing.F) {
	for _, m := range messages() {
		f.Add(m)
	}
	f.Fuzz(func(t *testing.T, stream []byte) {
		n := &askedNode{}
		s := &Server{cfg: Config{}.WithDefaults(), node: n, log: slog.New(slog.DiscardHandler), conns: map[net.Conn]struct{}{}}
		s.ctx, s.cancel = context.WithCancelCause(context.Background())
		defer s.cancel(nil)
		conn := &tape{in: bytes.NewReader(stream)}
		s.serve(conn)
		if s.attached != 0 || n.adverts != 0 || n.asked > 1 {
			t.Fatalf("%d attached, %d adverts live, asked %d times", s.attached, n.adverts, n.asked)
		}
		var req Request
		if err := read(bytes.NewReader(stream), &req); err != nil && n.asked > 0 {
			t.Fatalf("the node was asked, and the request is not one: %v", err)
		}
		for conn.out.Len() > 0 {
			var resp Response
			if err := read(&conn.out, &resp); err != nil {
				t.Fatalf("the answer cannot be read: %v", err)
			}
			if resp.Error != nil {
				oneLine(t, resp.Error.Err())
			}
		}
	})
}

// tape is a connection of which everything has arrived.
type tape struct {
	net.Conn
	in  *bytes.Reader
	out bytes.Buffer
}

func (c *tape) Read(p []byte) (int, error)       { return c.in.Read(p) }
func (c *tape) Write(p []byte) (int, error)      { return c.out.Write(p) }
func (c *tape) Close() error                     { return nil }
func (c *tape) SetReadDeadline(time.Time) error  { return nil }
func (c *tape) SetWriteDeadline(time.Time) error { return nil }

// askedNode counts what it is asked.
type askedNode struct{ asked, adverts int }

func (n *askedNode) Status() Status { n.asked++; return Status{} }

func (n *askedNode) Call(ctx context.Context, req *Request) ([]byte, error) {
	n.asked++
	return req.Body, nil
}

func (n *askedNode) Advertise(req *Request) (Advert, error) {
	n.asked++
	if req.Name == "" {
		return nil, fault.New("node", fault.Invalid, "the service name is empty")
	}
	if !req.Detach {
		n.adverts++
	}
	return &askedAdvert{n}, nil
}

func (n *askedNode) Withdraw(string) error { n.asked++; return io.ErrUnexpectedEOF }

type askedAdvert struct{ n *askedNode }

func (a *askedAdvert) Done() <-chan struct{} { return nil }
func (a *askedAdvert) Err() error            { return nil }
func (a *askedAdvert) Withdraw()             { a.n.adverts-- }
