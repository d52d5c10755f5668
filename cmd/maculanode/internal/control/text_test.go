package control

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
	"time"

	"github.com/maculamesh/macula/node/fault"
)

func TestPeopleReadWhatHappenedWithoutTheOperationsOfTheCode(t *testing.T) {
	name := fault.New("wire", fault.Invalid, "the name \"a b\" is none")
	full := &fault.Error{Op: "serve", Kind: fault.Overload, Detail: "every handler is busy", RetryAfter: time.Second}
	for want, err := range map[string]error{
		"the name \"a b\" is none":                         name,
		"--service: the name \"a b\" is none":              fmt.Errorf("--service: %w", name),
		"every handler is busy (retry after 1s)":           fault.Wrap("rpc.Call", full),
		"cannot open the key file: x: file already exists": &fault.Error{Op: "keyfile", Detail: "cannot open the key file", Err: fmt.Errorf("x: %w", fs.ErrExist)},
		"unreachable":                                       &fault.Error{Op: "link.Call", Kind: fault.Unreachable},
		"no answer in time":                                 &fault.Error{Op: "link.Call", Kind: fault.Deadline, Detail: "no answer in time", Err: context.DeadlineExceeded},
		"a is not provided here":                            &fault.Error{Op: "call", Kind: fault.NotFound, Detail: "rpc.Call: serve: a is not provided here", Remote: true},
		"the handler says: serve: x":                        &fault.Error{Op: "call", Kind: fault.Application, Detail: "the handler says: serve: x", Remote: true},
		"api: the address is in use":                        errors.New("default: api: the address is in use"),
		"first\nthe name \"a b\" is none":                   errors.Join(errors.New("first"), name),
		"call of a: every handler is busy (retry after 1s)": fmt.Errorf("call of a: %w", full),
	} {
		if got := Text(err); got != want {
			t.Errorf("%q became %q, want %q", err, got, want)
		}
	}
}
