package wire

import (
	"bytes"
	"fmt"
	"testing"
	"time"
)

func benchCall(size int) *Call {
	return &Call{ID: 12345, Name: "org.demo.echo", Budget: 5 * time.Second, Body: make([]byte, size)}
}

func BenchmarkAppendCall(b *testing.B) {
	for _, size := range []int{64, 1024} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			c := benchCall(size)
			buf := make([]byte, 0, 2048)
			b.ReportAllocs()
			for b.Loop() {
				buf = AppendCall(buf[:0], c)
			}
		})
	}
}

func BenchmarkParseCall(b *testing.B) {
	payload := AppendCall(nil, benchCall(64))[headerSize:]
	var names Names
	b.ReportAllocs()
	for b.Loop() {
		if _, err := names.ParseCall(payload); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkAppendAndParseReply(b *testing.B) {
	body := make([]byte, 64)
	buf := make([]byte, 0, 2048)
	b.ReportAllocs()
	for b.Loop() {
		buf = AppendReply(buf[:0], 12345, body)
		if _, err := ParseReply(buf[headerSize:]); err != nil {
			b.Fatal(err)
		}
	}
}

// One frame of a stream of small calls that arrives in large pieces.
func BenchmarkReaderNext(b *testing.B) {
	one := AppendCall(nil, benchCall(64))
	stream := bytes.Repeat(one, 1000)
	src := bytes.NewReader(stream)
	r := NewReader(src, MaxFrame)
	b.SetBytes(int64(len(one)))
	b.ReportAllocs()
	for b.Loop() {
		if src.Len() == 0 {
			src.Reset(stream)
		}
		if _, _, err := r.Next(); err != nil {
			b.Fatal(err)
		}
	}
}
