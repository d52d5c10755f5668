package view

import (
	"bufio"
	_ "embed" // the parts of the page
	"encoding/base64"
	"html"
	"io"
	"strings"
)

// The parts of the page, put into one file by HTML.
var (
	//go:embed page/page.html
	pageHTML string
	//go:embed page/page.css
	pageCSS string
	//go:embed page/data.js
	dataJS string
	//go:embed page/draw.js
	drawJS string
	//go:embed page/ui.js
	uiJS string
)

// HTML writes the run as one page that needs nothing but a browser: styles,
// script and data are in it, and it loads nothing. It returns the first error
// of w.
func HTML(w io.Writer, run *Run) error {
	out := bufio.NewWriter(w)
	parts := []struct {
		mark string
		put  func() error
	}{
		{"{{title}}", text(out, html.EscapeString(run.title()))},
		{"{{css}}", text(out, pageCSS)},
		{"{{data}}", func() error {
			enc := base64.NewEncoder(base64.StdEncoding, out)
			if err := encode(enc, run); err != nil {
				return err
			}
			return enc.Close()
		}},
		{"{{js}}", text(out, dataJS+drawJS+uiJS)},
	}
	rest := pageHTML
	for _, p := range parts {
		before, after, _ := strings.Cut(rest, p.mark)
		if _, err := out.WriteString(before); err != nil {
			return err
		}
		if err := p.put(); err != nil {
			return err
		}
		rest = after
	}
	if _, err := out.WriteString(rest); err != nil {
		return err
	}
	return out.Flush()
}

func text(out *bufio.Writer, s string) func() error {
	return func() error {
		_, err := out.WriteString(s)
		return err
	}
}
