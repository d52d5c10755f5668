package control

import (
	"context"
	"regexp"
	"strings"

	"github.com/maculamesh/macula/node/fault"
)

// Text is an error for people: without the operations of the code in front of
// what happened, and without "default" as the place of a value that nobody has
// set.
func Text(err error) string {
	return strings.TrimPrefix(text(err), "default: ")
}

// text takes the operations out of a chain, link by link: each shows the text
// of the one below somewhere in its own.
func text(err error) string {
	if f, ok := err.(*fault.Error); ok {
		return faultText(f)
	}
	var below []error
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		below = []error{e.Unwrap()}
	case interface{ Unwrap() []error }:
		below = e.Unwrap()
	}
	out := err.Error()
	for _, b := range below {
		if b != nil {
			out = strings.Replace(out, b.Error(), text(b), 1)
		}
	}
	return out
}

// operations stand in front of what another node has said.
var operations = regexp.MustCompile(`^((bounded|call|discovery|hello|ledger|link|node|peer|pool|registry|rpc|serve|wire)(\.[A-Za-z]+)?: )+`)

func faultText(f *fault.Error) string {
	g := *f
	g.Op = ""
	if g.Remote {
		g.Detail = operations.ReplaceAllString(g.Detail, "")
	}
	if g.Err != nil && g.Err != context.DeadlineExceeded && g.Err != context.Canceled {
		inner := text(g.Err)
		if g.RetryAfter > 0 && fault.RetryAfter(g.Err) == g.RetryAfter && strings.HasSuffix(inner, ")") {
			g.RetryAfter = 0 // it stands in there
		}
		g.Err = said(inner)
	}
	return g.Error()
}

// said is an error that is its text.
type said string

// Error implements error.
func (s said) Error() string { return string(s) }
