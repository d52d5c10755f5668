package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const someID = "7c7g1c5yzv2952wt0vmc8981m9153rhph1p2y2tr9pz559z8ebd31619"

// load reads a file, variables and flags as a command would.
func load(t *testing.T, file string, env map[string]string, flags ...Value) (Config, error) {
	t.Helper()
	dir := t.TempDir()
	if file != "" {
		if err := os.WriteFile(filepath.Join(dir, FileName), []byte(file), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	src := Sources{Dir: dir, Env: func(k string) string { return env[k] }, Flags: flags}
	for k := range env {
		src.Names = append(src.Names, k)
	}
	return Load(src)
}

func TestAFlagStandsOverAVariableAndAVariableOverTheFile(t *testing.T) {
	file := "max_peers: 1\nmax_clients: 2\nservice_ttl: 3s\necho: [in.file, too]\n"
	env := map[string]string{"MACULA_MAX_PEERS": "11", "MACULA_MAX_CLIENTS": "12", "MACULA_ECHO": "in.env, more"}
	c, err := load(t, file, env, Value{"max-peers", []string{"21"}})
	if err != nil {
		t.Fatal(err)
	}
	if n := &c.Node; n.Pool.Cap != 21 || n.Clients.Limit != 12 || n.Registry.TTL != 3*time.Second || n.CleanupInterval != time.Minute {
		t.Errorf("got %d %d %v %v", n.Pool.Cap, n.Clients.Limit, n.Registry.TTL, n.CleanupInterval)
	}
	if got := strings.Join(c.Echo, " "); got != "in.env more" {
		t.Errorf("a list of a higher source must replace that of a lower one, got %q", got)
	}
	for key, want := range map[string]string{"max_peers": "--max-peers", "max_clients": "MACULA_MAX_CLIENTS", "service_ttl": FileName + ":3:14", "cleanup_interval": "default"} {
		if got := c.Origin(key); !strings.HasSuffix(got, want) {
			t.Errorf("%s comes from %q, want %q", key, got, want)
		}
	}
}

func TestAMistakeInTheFileIsReportedWithItsPlaceAndTheNearestKey(t *testing.T) {
	for _, c := range []struct{ name, file, want string }{
		{"unknown key", "realm: a.b\n\n  \nmaxpeers: 5\n", `:4:1: there is no key "maxpeers", did you mean max_peers?`},
		{"dashes instead of underscores", "cleanup-interval: 5s\n", `:1:1: there is no key "cleanup-interval", did you mean cleanup_interval?`},
		{"nothing is near", "zzzzzzzz: 5\n", `:1:1: there is no key "zzzzzzzz"`},
		{"twice", "realm: a.b\nrealm: c.d\n", `realm`},
		{"bad value", "realm: a.b\nmax_peers: many\n", `:2:12: max_peers: "many" is not a whole number`},
		{"out of range", "max_clients: 0\n", `:1:14: max_clients: 0 is out of range: 1 to 1000000`},
		{"no unit", "service_ttl: 300\n", `:1:14: service_ttl: "300" is not a duration: it needs a unit (ms, s, m, h), for example 300s`},
		{"too long for a duration", "service_ttl: 99999999h\n", `:1:14: service_ttl: "99999999h" is more than a duration can be`},
		{"no value", "realm:\n", `realm has no value`},
		{"a list for one value", "realm: [a.b]\n", `realm takes one value, not a list`},
		{"a map for one value", "realm:\n  a: b\n", `realm takes a plain value`},
		{"a list of maps", "echo:\n  - a: b\n", `echo takes a list of plain values`},
		{"not a mapping", "- a\n- b\n", `:1:1: expected lines of the form "key: value"`},
		{"bad YAML", "realm: [a\n", FileName + ":1:"},
		{"bad peer", "peers:\n  - " + someID + "@host\n", `:2:5: peers: "host" lacks a port, for example host:4433`},
		{"peer without address", "peers: [" + someID + "]\n", `it lacks the address`},
		{"peer twice", "peers: [" + someID + "@h:1, " + someID + "@h:2]\n", `is listed twice`},
		{"one wrong character of an id", "allow_peers: [8" + someID[1:] + "]\n", `check digits`},
		{"bad boolean", "open_peers: maybe\n", `:1:13: open_peers: "maybe" is neither true nor false`},
		{"bad format", "log_format: jsno\n", `"jsno" is not one of text, json, did you mean json?`},
		{"item below a value", "realm: a.b\n- a\n", `maculanode.yaml:2:1: "- a" is an item of a list: write it below the key that it is for`},
		{"item of pairs", "realm: a.b\n- a: b\n", `:2:1: "- a: b" is an item of a list`},
		{"brace below a key", "realm:\n{\n", `:2:1: expected a line of the form "key: value", not "{"`},
		{"brace below a value", "realm: a.b\n{}\n", `:2:1: expected a line of the form "key: value", not "{}"`},
		{"bracket", "realm: a.b\n]\n", `:2:1: expected a line of the form "key: value", not "]"`},
		{"word", "realm: a.b\nfoo\n", `:2:1: expected a line of the form "key: value", not "foo"`},
		{"no key", ": a\n", `:1:1: expected a line of the form "key: value", not ": a"`},
		{"two colons", "realm: a: b\n", `:1:8: a key begins in the first column, and a value with ": " in it needs quotes`},
		{"list without a key", "- a\nrealm: a.b\n", `:2:1: this does not go with the lines above it`},
		{"open brace", "realm: {a\n", `:1:9: the { has no }`},
		{"open bracket", "echo: [a\n", `:1:7: the list that begins with [ does not end`},
		{"open quotes", "realm: \"a\n", `:1:8: the quotes are not closed`},
		{"reserved", "realm: @a\n", `:1:8: a value that begins with @ needs quotes`},
		{"percent", "realm: %a\n", `:1:8: a value that begins with % needs quotes`},
		{"bad service", "echo: [ok, no way]\n", `service name "no way" has the character ' ' at position 3`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := load(t, c.file, nil)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
			if err != nil && strings.Contains(err.Error(), "\n") {
				t.Errorf("more than one line: %q", err)
			}
		})
	}
}

func TestRelativePathsStartFromTheirFile(t *testing.T) {
	c, err := load(t, "key: keys/a.pem\ncontrol: /run/x.sock\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(c.Dir, "keys/a.pem"); c.Key != want || c.Control != "/run/x.sock" {
		t.Errorf("got %s and %s, want %s", c.Key, c.Control, want)
	}
	c, err = load(t, "", nil, Value{"key", []string{"k.pem"}})
	if err != nil || c.Key != "k.pem" {
		t.Errorf("a path of a flag starts from the working directory, got %q, %v", c.Key, err)
	}
}

func TestTheTemplateIsValidAndItsCommentedValuesAreTheDefaults(t *testing.T) {
	text := string(Template("org.example.x", "127.0.0.1:4433"))
	c, err := load(t, text, nil)
	if err != nil {
		t.Fatal(err)
	}
	if got := c.Admin.String(); got != "127.0.0.1:4434" || c.Realm != "org.example.x" {
		t.Errorf("admin is %s, realm %s", got, c.Realm)
	}
	shown := 0
	for i := range settings {
		s := &settings[i]
		if !s.common {
			continue
		}
		if !strings.Contains(text, s.key+":") {
			t.Errorf("the template does not show %s", s.key)
		}
		_, after, _ := strings.Cut(text, "\n# "+s.key+": ")
		value, _, _ := strings.Cut(after, "\n")
		if s.list || value == "" || s.key == "advertised" {
			continue
		}
		shown++
		want, got := defaults(c.Dir), defaults(c.Dir)
		want.finish()
		if err := got.apply(s, "template", c.Dir, []string{value}); err != nil {
			t.Error(err)
		}
		got.finish()
		if s.text(&got) != s.text(&want) {
			t.Errorf("the template shows %s: %s, which is not the default", s.key, value)
		}
	}
	if shown < 10 {
		t.Errorf("only %d defaults were compared", shown)
	}
	for listen, want := range map[string]string{"127.0.0.1:0": "\n# admin: off\n", "[::]:65535": "\n# admin: off\n", ":1": "\nadmin: 127.0.0.1:2\n"} {
		if text := string(Template("a.b", listen)); !strings.Contains(text, want) {
			t.Errorf("listen %s: the template lacks %q", listen, want)
		}
	}
}

func TestAMisspeltVariableIsAWarning(t *testing.T) {
	c, err := load(t, "", map[string]string{"MACULA_MAXPEERS": "5", "MACULA_DIR": "x", "OTHER": "y"})
	if err != nil || len(c.Warnings) != 1 || !strings.Contains(c.Warnings[0], "did you mean MACULA_MAX_PEERS?") {
		t.Errorf("got %q, %v", c.Warnings, err)
	}
}

func TestOpenPeersAreRefusedWhereOtherMachinesCanConnect(t *testing.T) {
	for _, c := range []struct {
		listen     string
		wide, open bool
		refused    bool
	}{
		{"127.0.0.1:1", false, true, false}, {"localhost:1", false, true, false}, {"[::1]:1", false, true, false},
		{"0.0.0.0:1", false, true, true}, {":1", false, true, true}, {"[::]:1", false, true, true}, {"10.0.0.1:1", false, true, true}, {"myhost:1", false, true, true},
		{"0.0.0.0:1", true, true, false}, {"0.0.0.0:1", false, false, false},
	} {
		cfg := defaults("/d")
		cfg.Realm, cfg.OpenPeers, cfg.OpenWide = "a.b", c.open, c.wide
		var err error
		if cfg.Listen, err = ParseEndpoint(c.listen); err != nil {
			t.Fatal(err)
		}
		if err := cfg.CheckRun(); (err != nil) != c.refused {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestEndpoints(t *testing.T) {
	for _, good := range []string{"127.0.0.1:0", "[::1]:4433", "node-1.example.org:65535", ":4433", "node_1:1"} {
		if e, err := ParseEndpoint(good); err != nil || e.String() != good {
			t.Errorf("%q: %v, %v", good, e, err)
		}
	}
	for bad, want := range map[string]string{
		"127.0.0.1": "lacks a port", "::1": "[::1]:4433", "host": "lacks a port", "host:70000": "port", "host:x": "port",
		"1.2.3.999:1": "neither an address nor a host name", "a b:1": "neither", "a:b:c": "is not HOST:PORT", "": "lacks a port",
	} {
		if _, err := ParseEndpoint(bad); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", bad, err, want)
		}
	}
}
