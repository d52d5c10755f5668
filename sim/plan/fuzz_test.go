package plan

import (
	"reflect"
	"strings"
	"testing"
)

// seeds are texts to begin with: of every form, right and wrong.
var seeds = []string{
	head,
	head + "from 1s to 60s draw 0..9 fault\nfrom 1s to 9s draw 3 for 1s..2s request\ncalm 100s..200s core=n*,c\nwithin 9s answered\n",
	head + "then for 5s partition n0,n1 n2\nthen within 1s reachable n0\nfrom 1s to 2s draw 3 call ? a size=8..9\n",
	"node a b count=2..3 kind=client\nset x=1s..2s y=1..2\nat 1s..2s for 1s..3s weather * loss=0%..1%\n",
	"x \"a\\n\\u00e9\" k = \"v\" l= at # why\n",
	"x \"\\xff\" \"\xff\" é\xff # \xff\n",
	"at at then then x at=then \"then\"\r\n\r\n#\n",
	"node n count=20000\nfrom 1s to 2s draw 100000 partition\n",
}

// oneLine demands that an error is one of this package and stands in one line.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if _, ok := err.(*Error); !ok || strings.ContainsAny(err.Error(), "\n\r") {
		t.Fatalf("the error is a %T, want one line of an *Error: %q", err, err)
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := Parse("", text)
		if err != nil {
			oneLine(t, err)
			return
		}
		printed := p.String()
		q, err := Parse("", []byte(printed))
		if err != nil {
			t.Fatalf("%v:\n%s", err, printed)
		}
		if !reflect.DeepEqual(placeless(p), placeless(q)) {
			t.Fatalf("%q is printed as %q, which says another thing", text, printed)
		}
		if again := q.String(); again != printed {
			t.Fatalf("%q is printed as %q, and that as %q", text, printed, again)
		}
	})
}

func FuzzCheck(f *testing.F) {
	for i, s := range seeds {
		f.Add([]byte(s), uint64(i))
	}
	voc := testVocabulary()
	f.Fuzz(func(t *testing.T, text []byte, seed uint64) {
		p, err := Parse("", text)
		if err != nil {
			return
		}
		sc, err := Check(p, voc)
		if err != nil {
			oneLine(t, err)
			return
		}
		for _, s := range sc.Timed {
			last, n := int64(-1), 0
			for at := range s.Times {
				if int64(at) <= last || at > s.last() {
					t.Fatalf("%s happens at %v after %v, the last is at %v", s.Line, at, last, s.last())
				}
				if last = int64(at); n > 1000 {
					break
				}
				n++
			}
		}
		q, err := Expand(p, voc, Seeded(seed))
		if err != nil {
			oneLine(t, err)
			return
		}
		sc, err = Check(q, voc)
		if err != nil || sc.Drawn {
			t.Fatalf("%q is drawn as %q: %v", text, q, err)
		}
		if _, err := Parse("", []byte(q.String())); err != nil {
			t.Fatalf("what is drawn cannot be read: %v", err)
		}
	})
}
