package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const maxFile = 1 << 20 // bytes; a node with 10,000 peers needs less

// readFile applies the configuration file. Without a name the file of the
// data directory is read if it is there.
func (c *Config) readFile(name string) []error {
	asked := name != ""
	if !asked {
		name = filepath.Join(c.Dir, FileName)
	}
	data, err := readAll(name)
	switch {
	case errors.Is(err, fs.ErrNotExist) && !asked:
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return []error{fmt.Errorf("there is no configuration file %s: \"maculanode init\" writes one", name)}
	case err != nil:
		return []error{fmt.Errorf("cannot read the configuration file %s: %w", name, bare(err))}
	}
	c.File = name
	base, err := filepath.Abs(filepath.Dir(name))
	if err != nil {
		return []error{err}
	}
	return c.parseFile(name, base, data)
}

func readAll(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return data, err
}

// bare leaves the path out of an error that names it beside.
func bare(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// parseFile applies the keys in the order of the file, and goes on after a
// mistake. The syntax tree knows the place of everything, so each mistake is
// reported with it.
func (c *Config) parseFile(name, base string, data []byte) []error {
	file, err := parser.ParseBytes(data, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		return []error{syntaxError(name, data, err)}
	}
	var errs []error
	seen := map[string]*token.Token{}
	for _, doc := range file.Docs {
		pairs, err := mapping(name, doc.Body)
		if err != nil {
			errs = append(errs, err)
		}
		for _, p := range pairs {
			if err := c.applyPair(name, base, p, seen); err != nil {
				errs = append(errs, err)
			}
		}
	}
	return errs
}

func (c *Config) applyPair(name, base string, p *ast.MappingValueNode, seen map[string]*token.Token) error {
	tok := p.Key.GetToken()
	key := tok.Value
	if first := seen[key]; first != nil {
		return fmt.Errorf("%s: the key %.100q is set twice, first in line %d", place(name, tok), key, first.Position.Line)
	}
	seen[key] = tok
	s := byKey(key)
	if s == nil {
		return fmt.Errorf("%s: there is no key %.100q%s", place(name, tok), key, didYouMean(strings.ReplaceAll(key, "-", "_"), keys()))
	}
	return c.applyNode(s, name, base, p.Value)
}

func (c *Config) applyNode(s *setting, name, base string, n ast.Node) error {
	at := place(name, n.GetToken())
	if seq, ok := n.(*ast.SequenceNode); ok {
		if !s.list {
			return fmt.Errorf("%s: %s takes one value, not a list", at, s.key)
		}
		text := []string{}
		for _, v := range seq.Values {
			one, ok := scalar(v)
			if !ok {
				return fmt.Errorf("%s: %s takes a list of plain values", place(name, v.GetToken()), s.key)
			}
			text = append(text, one)
		}
		if err := c.apply(s, at, base, text); err != nil {
			return c.blame(s, name, base, seq, text, err)
		}
		return nil
	}
	if _, ok := n.(*ast.NullNode); ok {
		return fmt.Errorf("%s: %s has no value: write one, or put a # in front of the line", at, s.key)
	}
	one, ok := scalar(n)
	if !ok {
		return fmt.Errorf("%s: %s takes a plain value", at, s.key)
	}
	return c.apply(s, at, base, []string{one})
}

// blame finds the item of a list that is wrong by itself; err stays when it is
// the list as a whole that is wrong.
func (c *Config) blame(s *setting, name, base string, seq *ast.SequenceNode, text []string, err error) error {
	for i, v := range seq.Values {
		alone := defaults(c.Dir)
		if err := alone.apply(s, place(name, v.GetToken()), base, text[i:i+1]); err != nil {
			return err
		}
	}
	return err
}

// mapping returns the pairs of a document's body; an empty document has none.
func mapping(name string, n ast.Node) ([]*ast.MappingValueNode, error) {
	switch n := n.(type) {
	case nil, *ast.CommentGroupNode, *ast.NullNode:
		return nil, nil
	case *ast.MappingNode:
		return n.Values, nil
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, nil
	}
	return nil, fmt.Errorf("%s: expected lines of the form \"key: value\"", place(name, n.GetToken()))
}

// scalar returns the text of a plain value as it was written, without quotes.
func scalar(n ast.Node) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

func place(name string, tok *token.Token) string {
	if tok == nil || tok.Position == nil {
		return name
	}
	return fmt.Sprintf("%s:%d:%d", name, tok.Position.Line, tok.Position.Column)
}
