package config

import (
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write docs/CONFIGURATION.md anew")

func TestTheReferenceIsWhatTheTableSays(t *testing.T) {
	path := filepath.Join("..", "..", "..", "..", "docs", "CONFIGURATION.md")
	want := Reference()
	if *update {
		if err := os.WriteFile(path, want, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil || string(got) != string(want) {
		t.Errorf("docs/CONFIGURATION.md is not what the table says (%v): run go test ./cmd/maculanode/internal/config -run TheReference -update", err)
	}
}

// ours are fields that no setting is for: the daemon fills them, or the node.
var ours = []string{
	"Node.Pool.Self", "Node.Link.Self", "Node.Link.Realm", "Node.Link.Listen", "Node.Link.Incarnation", "Node.Ledger.Strict", "Node.Ledger.OnDoubleRelease",
	"Node.Realm", "Node.Peers", "Node.OpenPeers", "Node.Bootstrap", "Node.Advertised",
}

// leaves calls f with every field that is no struct, by its path.
func leaves(v reflect.Value, path string, f func(path string, v reflect.Value)) {
	if slices.Contains(ours, path) {
		return
	}
	if v.Kind() != reflect.Struct {
		f(path, v)
		return
	}
	for i := range v.NumField() {
		leaves(v.Field(i), path+"."+v.Type().Field(i).Name, f)
	}
}

func TestEveryLimitOfTheNodeHasOneKey(t *testing.T) {
	var c Config
	keys := map[uintptr][]string{}
	for i := range settings {
		p := reflect.ValueOf(settings[i].at(&c)).Pointer()
		keys[p] = append(keys[p], settings[i].key)
	}
	found := 0
	check := func(path string, v reflect.Value) {
		if got := keys[v.Addr().Pointer()]; len(got) != 1 {
			t.Errorf("%s has the keys %q, want one: add a row to the table", path, got)
		}
		found++
	}
	v := reflect.ValueOf(&c).Elem()
	leaves(v.FieldByName("Node"), "Node", check)
	leaves(v.FieldByName("QUIC"), "QUIC", check)
	if found < 90 {
		t.Errorf("only %d fields were found", found)
	}
}

func TestTheRowsOfTheTableAreWhole(t *testing.T) {
	seen := map[string]bool{"dir": true, "config": true, "json": true}
	d := defaults("/d")
	d.finish()
	for i := range settings {
		s := &settings[i]
		if s.key == "" || s.group == "" || s.takes == "" || !strings.HasSuffix(s.help, ".") || strings.ContainsAny(s.help, "$`|") || s.holds == "" && !s.truth {
			t.Errorf("the row %q lacks something: %+v", s.key, s)
		}
		if seen[s.flag] || seen[s.key] && s.key != s.flag {
			t.Errorf("%s or --%s is there twice", s.key, s.flag)
		}
		seen[s.flag], seen[s.key] = true, true
		if s.limit && !s.live {
			t.Errorf("%s is a limit and not live", s.key)
		}
		if s.unset == "" {
			if err := s.set(&d, s.get(&d)); err != nil {
				t.Errorf("the default of %s is not accepted: %v", s.key, err)
			}
		}
	}
	if errs := d.conflicts(); len(errs) > 0 {
		t.Errorf("the defaults do not go together: %v", errs)
	}
}

func TestAllMistakesAreToldAtOnce(t *testing.T) {
	file := "max_pers: 1\nmax_peers: 0\nrealm: a.b\nrealm: c.d\nidle_timeout: 5\necho: [ok, No]\n"
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, FileName), []byte(file), 0o600); err != nil {
		t.Fatal(err)
	}
	env := map[string]string{"MACULA_DIALS": "x"}
	_, errs := LoadAll(Sources{Dir: dir, Env: func(k string) string { return env[k] }, Flags: []Value{{"api", []string{"nowhere"}}}})
	want := []string{`:1:1: there is no key "max_pers", did you mean max_peers?`, ":2:12: max_peers", ":4:1: the key \"realm\" is set twice, first in line 3", ":5:15: idle_timeout", ":6:12: echo", "MACULA_DIALS: ", "--api: "}
	if len(errs) != len(want) {
		t.Fatalf("got %q", errs)
	}
	for i, w := range want {
		if !strings.Contains(errs[i].Error(), w) {
			t.Errorf("mistake %d is %q, want %q", i, errs[i], w)
		}
	}
	_, errs = LoadAll(Sources{Dir: t.TempDir(), Env: func(string) string { return "" }, Flags: slices.Repeat([]Value{{"dials", []string{"x"}}}, maxMistakes+7)})
	if len(errs) != maxMistakes+1 || errs[maxMistakes].Error() != "and 7 mistakes more" {
		t.Errorf("got %d mistakes, the last %q", len(errs), errs[len(errs)-1])
	}
}

func TestValuesThatDoNotGoTogetherAreRefused(t *testing.T) {
	for file, want := range map[string]string{
		"service_ttl: 5m\nmin_service_ttl: 10m\n":      ":2:18: min_service_ttl: min_service_ttl, 10m, is above service_ttl, 5m",
		"service_ttl: 5m\nmax_service_ttl: 1m\n":       ":1:14: service_ttl: service_ttl, 5m, is above max_service_ttl, 1m",
		"service_ttls: [a.**=2h]\n":                    "a.**=2h is not between min_service_ttl, 1s, and max_service_ttl, 1h",
		"keep_alive: 11s\n":                            "keep_alive, 11s, is more than a third of idle_timeout, 30s",
		"idle_timeout: 6s\nkeep_alive: 10s\n":          "keep_alive, 10s, is more than a third",
		"max_clients: 20000\n":                         "raise ledger_node_conns to at least 21064 and ledger_node_conn_bytes to",
		"stream_window: 1MiB\n":                        "stream_window, 1MiB, is above conn_window, 256KiB",
		"call_timeout: 9m\nmax_call_timeout: 5s\n":     "call_timeout, 9m, is above max_call_timeout, 5s",
		"dial_backoff: 9s\nmax_dial_backoff: 5s\n":     "dial_backoff: 9s is above max_dial_backoff, 5s",
		"echo: [a]\nhttp: [a=http://h/]\n":             "the service a is listed under echo too",
		"admin: 127.0.0.1:5000\napi: 127.0.0.1:5000\n": "127.0.0.1:5000 is the address of admin too",
		"adapt_elevated: 95%\n":                        "adapt_elevated",
		"max_services: 300000\n":                       "max_services, 300000, is above ledger_node_entries, 262144",
		"max_calls: 5000\n":                            "max_calls, 5000, is above ledger_peer_calls, 1024",
		"eject_for: 10m\n":                             "eject_for, 10m, is above max_eject, 5m",
	} {
		if _, err := load(t, file, nil); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got  %v\nwant %s", file, err, want)
		}
	}
	c, err := load(t, "idle_timeout: 60s\nmax_peers: 500\nretry_share: off\nkeep_alive: off\n", nil)
	if err != nil || c.QUIC.KeepAlive != -1 || c.Node.Caller.RetryShare != -1 || c.Node.Discovery.Peers != 564 {
		t.Errorf("%v %d %d, %v", c.QUIC.KeepAlive, c.Node.Caller.RetryShare, c.Node.Discovery.Peers, err)
	}
	if q, err := load(t, "max_inbound_peers: off\n", nil); err != nil || q.Node.Pool.MaxInbound != 0 || c.Node.Pool.MaxInbound != 0 {
		t.Errorf("max_inbound_peers is off: %d, and %d without a value, %v", q.Node.Pool.MaxInbound, c.Node.Pool.MaxInbound, err)
	}
	if c, err = load(t, "idle_timeout: 60s\n", nil); err != nil || c.QUIC.KeepAlive != 20*time.Second {
		t.Errorf("keep_alive follows from idle_timeout: %v, %v", c.QUIC.KeepAlive, err)
	}
}

func TestOthersNeedATokenAndItsFileBelongsToTheOwner(t *testing.T) {
	dir := t.TempDir()
	file := func(text string, mode os.FileMode) string {
		path := filepath.Join(dir, strings.ReplaceAll(t.Name(), "/", "_")+mode.String()+text[:min(1, len(text))])
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good := file("0123456789abcdef\n", 0o600)
	for _, c := range []struct{ text, want string }{
		{"admin: 0.0.0.0:1\n", ":2:8: admin: 0.0.0.0:1 can be reached from other machines, and nothing asks them who they are: set admin_token_file"},
		{"api: node:1\n", "set api_token_file"},
		{"admin: 0.0.0.0:1\nadmin_token_file: " + good + "\n", ""},
		{"admin: localhost:1\napi: unix:/x.sock\n", ""},
		{"api: 127.0.0.1:1\napi_token_file: " + file("0123456789abcdef", 0o644) + "\n", "chmod 600"},
		{"admin_token_file: " + file("", 0o600) + "\n", "is empty"},
		{"admin_token_file: " + dir + "/none\n", "there is no token file"},
		{"admin_token_file: " + dir + "\n", "is not a regular file"},
		{"api: unix:/" + strings.Repeat("x", 200) + "\n", "a Unix socket takes 103"},
	} {
		cfg, err := load(t, "realm: a.b\n"+c.text, nil)
		if err != nil {
			t.Fatal(err)
		}
		err = cfg.CheckRun()
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: got %v, want %q", c.text, err, c.want)
		}
	}
}

func TestWhatIsLiveIsAdoptedAndTheRestStays(t *testing.T) {
	old, err := load(t, "max_peers: 5\ndials: 7\necho: [a]\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	next, err := load(t, "max_peers: 6\ndials: 8\nlog_level: debug\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	want := old.Clone()
	if err := want.Adopt(&next); err == nil || !strings.Contains(err.Error(), "no realm") {
		t.Errorf("a configuration that no node could start with: %v", err)
	}
	old.Realm, next.Realm = "a.b", "a.b"
	want = old.Clone()
	if err := want.Adopt(&next); err != nil {
		t.Fatal(err)
	}
	if want.Node.Pool.Cap != 6 || want.Node.Pool.Dials != 7 || len(want.Echo) != 0 || want.LogLevel >= 0 || old.Node.Pool.Cap != 5 || old.Origin("log_level") != "default" {
		t.Errorf("got %d peers, %d dials, %q, %v; before %d", want.Node.Pool.Cap, want.Node.Pool.Dials, want.Echo, want.LogLevel, old.Node.Pool.Cap)
	}
	var changed []string
	for _, c := range old.Changes(&next) {
		changed = append(changed, c.Key)
	}
	// discovery_peers follows from max_peers, and is no change of its own.
	if got := strings.Join(changed, " "); got != "echo max_peers dials log_level" {
		t.Errorf("changed: %s", got)
	}
	for pair, msg := range map[string]string{
		"max_peers": "is not KEY=VALUE", "max_pears=5": "did you mean max_peers?", "max_peers=0": "limits set: max_peers: 0 is out of range", "echo=b": "run \"maculanode reload\"",
		"dials=9": "cannot be changed while the node runs", "max_service_ttl=1s": "service_ttl, 5m, is above max_service_ttl, 1s",
		"max_inbound_peers=6": "max_inbound_peers, 6, is above max_peers, 5", "max_inbound_peers=0": "is out of range",
	} {
		c := old.Clone()
		if _, err := c.Set([]string{pair}); err == nil || !strings.Contains(err.Error(), msg) {
			t.Errorf("%s: %v, want %s", pair, err, msg)
		}
	}
}

func TestWhatPeopleAndLogsSeeHasNoPasswords(t *testing.T) {
	was, err := load(t, "realm: a\nhttp: [a.b=http://me:first-secret@h/?key=other-secret]\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	is, err := load(t, "realm: a\nhttp: [a.b=http://me:second-secret@h/?key=other-secret]\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	var seen strings.Builder
	for _, s := range was.List() {
		seen.WriteString(s.Value + "\n")
	}
	changes := was.Changes(&is)
	if len(changes) != 1 || changes[0].Key != "http" {
		t.Errorf("another password is the changes %+v", changes)
	}
	for _, c := range changes {
		seen.WriteString(c.Old + "\n" + c.New + "\n")
	}
	for _, wrong := range []string{"a.b=ftp://me:a-secret@h/", "http://me:a-secret@h/", "a.b=http://me:a-secret%zz@h/", "a.b=http://me:a-secret@/"} {
		_, err := load(t, "realm: a\nhttp: ['"+wrong+"']\n", nil)
		if err == nil {
			t.Fatalf("%s is accepted", wrong)
		}
		seen.WriteString(err.Error() + "\n")
	}
	if strings.Contains(seen.String(), "secret") || !strings.Contains(seen.String(), "a.b=http://removed@h/?removed") {
		t.Errorf("seen is:\n%s", seen.String())
	}
	if want := is.Clone(); want.Adopt(&was) != nil || want.HTTP[0] != was.HTTP[0] {
		t.Error("the node does not get the password")
	}
}

func TestALimitIsSetAndAsBeforeAlsoWhenATokenFileHasGone(t *testing.T) {
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte(strings.Repeat("t", 32)), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := load(t, "realm: a\nadmin_token_file: "+token+"\n", nil)
	if err != nil {
		t.Fatal(err)
	}
	before := c.Clone()
	if err := os.Remove(token); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Set([]string{"max_clients=7"}); err != nil || c.Node.Clients.Limit != 7 {
		t.Errorf("it is not set: %v", err)
	}
	if err := c.Restore(map[string]*Config{"max_clients": &before}); err != nil || c.Node.Clients.Limit != before.Node.Clients.Limit {
		t.Errorf("it is not as before: %v", err)
	}
	if err := c.Adopt(&before); err == nil {
		t.Error("a reload takes a configuration whose token file has gone")
	}
}

func TestFlagsAreTheTable(t *testing.T) {
	flags := reflect.TypeOf(Flags("control")).Elem()
	if flags.NumField() != len(settings)-1 {
		t.Errorf("%d flags for %d settings", flags.NumField(), len(settings))
	}
	if !strings.Contains(string(Reference()), "| `max_peers`<br>`--max-peers` | a whole number, 1 to 1000000 | `1000` | reload, limits set |") {
		t.Error("the reference lacks a row of max_peers")
	}
}
