package view

import (
	"bytes"
	"io"
	"reflect"
	"strings"
	"testing"
)

// FuzzReadJSONL reads traces of any sort. One that is taken is written and read
// again as it was, is no different from itself, and can be drawn; of one that is
// not, the error is one line that names the line.
func FuzzReadJSONL(f *testing.F) {
	var out bytes.Buffer
	if err := JSONL(&out, sample()); err != nil {
		f.Fatal(err)
	}
	whole := out.String()
	const head = `{"format":"macula-trace","format_version":1,"hash":"00"}` + "\n"
	for _, s := range []string{
		whole, whole[:len(whole)/2], whole + whole, "", "\n", "{}\n", "null\n", head, head + "\n\n", head + "{}\n", head + "null\n", head + "[]\n", head + `{"kind":"gauge"}`, head + `{"kind":"deliver"}`, head + `{"kind":"?"}`,
		`{"format":"macula-trace","format_version":1,"hash":"ffffffffffffffff","seed":"18446744073709551615"}`, `{"format":"macula-trace","format_version":1,"hash":"10000000000000000"}`, `{"format":"macula-trace","format_version":2,"hash":"0"}`, `{"format":"macula-trace","format_version":1e999}`,
		`{"format":"macula-trace","format":"other","format_version":1,"hash":"0"}`, `{"format":"macula-trace","format_version":1,"hash":"-1"}`, `{"format":"macula-trace","format_version":1,"hash":"a\nb"}`, "{\"format\":\"macula-trace\",\"format_version\":1,\"hash\":\"0\",\"title\":\"\xff</script>\"}",
		head + `{"kind":"deliver","at_ns":9223372036854775807,"took_ns":-9223372036854775808,"event":18446744073709551615}`, head + `{"kind":"deliver","at_ns":1e400}`, head + `{"kind":"deliver","at_ns":NaN}`, head + `{"kind":"deliver","a":"18446744073709551616"}`, head + `{"kind":"deliver","a":"x"}`,
		head + `{"kind":"gauge","name":"g","limit":-1,"points":[[1,-1,3],[9223372036854775807,1,1],[0]]}`, head + `{"kind":"gauge","points":` + strings.Repeat("[", 9000) + "}", head + strings.Repeat("[", 20000), head + `{"kind":"` + strings.Repeat("k", 5000) + `"}`, head + `{"kind":"a\nb"}`,
		head + `{"kind":"deliver","machine":"m","at_ns":5}` + "\n" + `{"kind":"deliver","machine":"m","at_ns":3}`, `{"format":"macula-trace","format_version":1,"hash":"0","failure":{},"machines":["a","a",""],"plan":["x"]}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		run, err := ReadJSONL(bytes.NewReader(text))
		if err != nil {
			if msg := err.Error(); strings.ContainsAny(msg, "\n\r") || len(msg) > 1500 || !strings.Contains(msg, "line ") && !strings.Contains(msg, "empty") {
				t.Fatalf("an error of %d bytes: %.2000q", len(msg), msg)
			}
			return
		}
		var one, two bytes.Buffer
		if err := JSONL(&one, run); err != nil {
			t.Fatal(err)
		}
		written := one.String()
		again, err := ReadJSONL(strings.NewReader(written))
		if err != nil {
			t.Fatalf("what was written cannot be read: %v", err)
		}
		if err := JSONL(&two, again); err != nil || two.String() != written {
			t.Fatalf("%q is written as %q, and that as %q, %v", text, written, two.String(), err)
		}
		if !reflect.DeepEqual(run.Records, again.Records) || run.Hash != again.Hash || run.Seed != again.Seed {
			t.Fatalf("%+v became %+v", run, again)
		}
		if d := Diff(run, again); d != nil {
			t.Fatalf("it differs from itself: %v", d)
		}
		for _, draw := range []func(io.Writer, *Run) error{Perfetto, HTML} {
			if err := draw(io.Discard, run); err != nil {
				t.Fatalf("it cannot be drawn: %v", err)
			}
		}
	})
}

// FuzzDiff compares two traces of any sort: the difference is the same from
// both sides, and can be told.
func FuzzDiff(f *testing.F) {
	var out bytes.Buffer
	if err := JSONL(&out, sample()); err != nil {
		f.Fatal(err)
	}
	whole := out.String()
	f.Add([]byte(whole), []byte(whole))
	f.Add([]byte(whole), []byte(whole[:strings.LastIndex(strings.TrimSpace(whole), "\n")]))
	f.Add([]byte(whole), []byte(strings.Replace(whole, `"event":3`, `"event":18446744073709551615`, 1)))
	f.Add([]byte(whole), []byte(strings.Replace(whole, `"format_version":1`, `"format_version":1,"since":18446744073709551615,"cut":1`, 1)))
	f.Fuzz(func(t *testing.T, left, right []byte) {
		a, aerr := ReadJSONL(bytes.NewReader(left))
		b, berr := ReadJSONL(bytes.NewReader(right))
		if aerr != nil || berr != nil {
			return
		}
		d, e := Diff(a, b), Diff(b, a)
		if (d == nil) != (e == nil) {
			t.Fatalf("%v, and from the other side %v", d, e)
		}
		if d == nil {
			return
		}
		if d.Common != e.Common || d.Decision != e.Decision || d.Hidden != e.Hidden || len(d.Before) > Before || d.String() == "" {
			t.Fatalf("%+v, and from the other side %+v", d, e)
		}
	})
}
