package main

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// decoderName is how functions are called that make something of text or bytes
// of others, or say whether it is right.
var decoderName = regexp.MustCompile(`^(?i:decode|parse|unmarshal|validate|valid|verify|read|load|check)([A-Z]\w*)?$`)

// always are the names that count whatever they take: a configuration has no
// text in its signature.
var always = regexp.MustCompile(`^(?i:decode|parse|unmarshal|valid|verify)`)

// skipped are folders without decoders of anything that others have written:
// what was built, and commands that read what our own programs print.
var skipped = []string{"bin", "out", "internal/demo", "internal/process", "internal/fuzz", "internal/repo", "internal/soak"}

// surveyed is what the tree has: decoders and targets, each as PACKAGE.NAME.
type surveyed struct{ decoders, targets []string }

func survey(t *testing.T) surveyed {
	t.Helper()
	root := filepath.Join("..", "..")
	var s surveyed
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		rel, _ := filepath.Rel(root, file)
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			return err
		case d.IsDir() && (strings.HasPrefix(d.Name(), ".") && rel != "." || slices.Contains(skipped, rel) || d.Name() == "testdata"):
			return fs.SkipDir
		case path.Ext(rel) != ".go":
			return nil
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			name := path.Dir(rel) + "." + receiver(f) + f.Name.Name
			switch test := strings.HasSuffix(rel, "_test.go"); {
			case test && f.Recv == nil && strings.HasPrefix(f.Name.Name, "Fuzz"):
				s.targets = append(s.targets, name)
			case !test && isDecoder(f):
				s.decoders = append(s.decoders, name)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// receiver is the type of a method with a dot behind it.
func receiver(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return ""
	}
	e := f.Recv.List[0].Type
	if p, ok := e.(*ast.StarExpr); ok {
		e = p.X
	}
	if g, ok := e.(*ast.IndexExpr); ok {
		e = g.X
	}
	if id, ok := e.(*ast.Ident); ok {
		return id.Name + "."
	}
	return "?."
}

func isDecoder(f *ast.FuncDecl) bool {
	name := f.Name.Name
	if !decoderName.MatchString(name) || name == "Read" && f.Recv != nil {
		return false
	}
	return always.MatchString(name) || slices.ContainsFunc(f.Type.Params.List, func(p *ast.Field) bool { return isInput(p.Type) })
}

// isInput reports whether a parameter may hold what others have written.
func isInput(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "string"
	case *ast.ArrayType:
		id, ok := e.Elt.(*ast.Ident)
		return ok && e.Len == nil && (id.Name == "byte" || id.Name == "string")
	case *ast.SelectorExpr:
		return slices.Contains([]string{"Reader", "Scanner", "Stream", "Conn"}, e.Sel.Name)
	case *ast.StarExpr:
		return isInput(e.X)
	}
	return false
}

// none begins the reason why a decoder has no target of its own.
const none = "none: "

// targets is the closed list: each decoder with the target that reaches it, in
// its own package unless another one is named.
var targets = map[string]string{
	"cmd/maculanode.Main.parse":                       "FuzzArguments",
	"cmd/maculanode.parseHint":                        "FuzzArguments",
	"cmd/maculanode.readFile":                         none + "it takes the bytes of a file as they are",
	"cmd/maculanode/internal/admin.parseLimit":        "FuzzParseLimit",
	"cmd/maculanode/internal/api.parseFlag":           "FuzzParseHeaders",
	"cmd/maculanode/internal/api.parseRegistration":   "FuzzParseRegistration",
	"cmd/maculanode/internal/api.parseTimeout":        "FuzzParseHeaders",
	"cmd/maculanode/internal/config.Config.parseFile": "FuzzFile",
	"cmd/maculanode/internal/config.Config.readFile":  none + "it opens what parseFile reads",
	"cmd/maculanode/internal/config.ParseAddress":     "FuzzParseAddress",
	"cmd/maculanode/internal/config.ParseBackend":     "FuzzParseBackend",
	"cmd/maculanode/internal/config.ParseEndpoint":    "FuzzParseEndpoint",
	"cmd/maculanode/internal/config.ParseID":          "FuzzParsePeer",
	"cmd/maculanode/internal/config.ParseNameTTL":     "FuzzParseBackend",
	"cmd/maculanode/internal/config.ParsePeer":        "FuzzParsePeer",
	"cmd/maculanode/internal/config.ReadToken":        none + "it opens what parseToken reads, and its cases have tests",
	"cmd/maculanode/internal/config.parseToken":       "FuzzToken",
	"cmd/maculanode/internal/config.readAll":          none + "it takes the bytes of a file as they are",
	"cmd/maculanode/internal/config.validHost":        "FuzzParseEndpoint",
	"cmd/maculanode/internal/control.read":            "FuzzRead",
	"cmd/maculanode/internal/strain.parseGroups":      "FuzzParseGroups",
	"cmd/maculanode/internal/strain.parseLimit":       "FuzzParseLimit",
	"examples/lease.read":                             "FuzzRead",
	"internal/mutants.bug.validate":                   "FuzzParse",
	"internal/mutants.load":                           none + "it opens what parse reads",
	"internal/mutants.parse":                          "FuzzParse",
	"internal/rawquic.read":                           "FuzzRead",
	"internal/mutants.readFound":                      "FuzzReadFound",
	"load.Config.Validate":                            "FuzzValidate",
	"load.run.check":                                  none + "it is an assertion",
	"netsim.Net.read":                                 none + "it moves bytes and does not look at them",
	"node/backoff.Config.Validate":                    "FuzzValidate",
	"node/ident.Parse":                                "FuzzParse",
	"node/ident/keyfile.Load":                         "FuzzLoad",
	"node/ident/keyfile.check":                        "FuzzLoad",
	"node/ident/keyfile.read":                         "FuzzLoad",
	"node/ledger.Config.Validate":                     "FuzzValidate",
	"node/link.Link.readAnswers":                      "node.FuzzScript",
	"node/link.Link.readLargeReply":                   "node.FuzzScript",
	"node/link.Link.readFrames":                       "node.FuzzScript",
	"node/wire.Names.ParseCall":                       "FuzzCall",
	"node/wire.ParseAdvertise":                        "FuzzAdvertise",
	"node/wire.ParseAdvertiseAck":                     "FuzzAdvertiseAck",
	"node/wire.ParseAnswer":                           "FuzzAnswer",
	"node/wire.ParseCall":                             "FuzzCall",
	"node/wire.ParseCancel":                           "FuzzCancel",
	"node/wire.ParseElsewhere":                        "FuzzElsewhere",
	"node/wire.ParseError":                            "FuzzError",
	"node/wire.ParseGoAway":                           "FuzzGoAway",
	"node/wire.ParseGoAwayAck":                        "FuzzGoAwayAck",
	"node/wire.ParseHello":                            "FuzzHello",
	"node/wire.ParsePing":                             "FuzzPing",
	"node/wire.ParsePong":                             "FuzzPong",
	"node/wire.ParseQuery":                            "FuzzQuery",
	"node/wire.ParseRefusal":                          "FuzzRefusal",
	"node/wire.ParseReply":                            "FuzzReply",
	"node/wire.ParseWelcome":                          "FuzzWelcome",
	"node/wire.ParseWithdraw":                         "FuzzWithdraw",
	"node/wire.ReadReplyHead":                         "FuzzReplyHead",
	"node/wire.ValidName":                             "FuzzNames",
	"node/wire.ValidRealm":                            "FuzzNames",
	"node/wire.parseID":                               "FuzzPing",
	"node/wire.validName":                             "FuzzNames",
	"node/wire.validRealm":                            "FuzzNames",
	"node/wire.validSegments":                         "FuzzNames",
	"rt/rttest.probe.check":                           none + "it is an assertion",
	"sim.ParseDecision":                               "FuzzParseDecision",
	"sim.parseDecision":                               "FuzzParseDecision",
	"sim.parseKey":                                    "FuzzParseDecision",
	"sim.parseStep":                                   "FuzzParseDecision",
	"sim/cli.App.load":                                "FuzzFailureFile",
	"sim/cli.App.readBooks":                           "FuzzBooks",
	"sim/cli.verifyCmd.verify":                        none + "it plays a scenario",
	"sim/live.port.ReadFrom":                          none + "it moves bytes and does not look at them",
	"sim/plan.Field.parseValue":                       "FuzzParseValue",
	"sim/plan.Parse":                                  "FuzzParse",
	"sim/plan.Plan.parseLine":                         "FuzzParse",
	"sim/plan.parseInt":                               "FuzzParseValue",
	"sim/plan.parseNumber":                            "FuzzParseValue",
	"sim/scenario.Param.check":                        "FuzzOptions",
	"sim/scenario.Param.checkRange":                   "FuzzOptions",
	"sim/scenario.Scenario.valid":                     "FuzzOptions",
	"sim/scenario.Stage.Check":                        none + "it is an assertion",
	"sim/view.ReadJSONL":                              "FuzzReadJSONL",
	"sim/view.Run.readGauge":                          "FuzzReadJSONL",
	"sim/view.Run.readLine":                           "FuzzReadJSONL",
	"sim/view.readHeader":                             "FuzzReadJSONL",
	"simvet.parseFormat":                              "FuzzParseFormat",
	"store.Check":                                     "FuzzCheck",
	"store.validKey":                                  "FuzzCheck",
	"store/dir.Dir.read":                              "FuzzGet",
	"transport/quic.Config.validate":                  none + "it takes no text, and its four cases have tests",
	"transport/quic.Transport.verifySource":           none + "it takes an address that the system has made",
	"transport/quic.verify":                           "FuzzVerify",
	"transport/transporttest.probe.check":             none + "it is an assertion",
	"transport/transporttest.probe.read":              none + "it is an assertion",
	"transport/transporttest.probe.readAll":           none + "it is an assertion",
}

func TestEveryDecoderHasATarget(t *testing.T) {
	s := survey(t)
	if len(s.decoders) < 50 {
		t.Fatalf("only %d decoders were found: %q", len(s.decoders), s.decoders)
	}
	for _, d := range s.decoders {
		if targets[d] == "" {
			t.Errorf("%s has no fuzz target: write one that reaches it, and name it in the list here", d)
		}
	}
	for d, name := range targets {
		pkg := strings.SplitN(d[strings.LastIndex(d, "/")+1:], ".", 2)[0]
		own := path.Join(path.Dir(d), pkg) + "." + name
		switch reason, exempt := strings.CutPrefix(name, none); {
		case !slices.Contains(s.decoders, d):
			t.Errorf("%s is not there any more: take it out of the list", d)
		case exempt && len(reason) < 10:
			t.Errorf("%s has no target, and no reason", d)
		case !exempt && !slices.Contains(s.targets, own) && !slices.Contains(s.targets, name):
			t.Errorf("%s: there is no target %s", d, name)
		}
	}
}
