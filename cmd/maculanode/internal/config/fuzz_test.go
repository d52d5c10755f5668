package config

import (
	"reflect"
	"strings"
	"testing"
	"unicode"

	"github.com/maculamesh/macula/node/ident"
	"github.com/maculamesh/macula/node/registry"
	"github.com/maculamesh/macula/node/wire"
	"github.com/maculamesh/macula/transport"
)

// maxError bounds what is shown of a mistake, in bytes: a line that somebody
// reads.
const maxError = 1500

// oneLine demands that an error is one short line of text.
func oneLine(t *testing.T, err error) {
	t.Helper()
	if msg := err.Error(); msg == "" || len(msg) > maxError || strings.ContainsFunc(msg, unicode.IsControl) {
		t.Fatalf("the error has %d bytes, want one short line: %.2000q", len(msg), msg)
	}
}

// valid demands of a configuration that was taken what the validators say.
func valid(t *testing.T, c *Config) {
	t.Helper()
	if c.Realm != "" && wire.ValidRealm(c.Realm) != nil {
		t.Fatalf("realm %q", c.Realm)
	}
	for _, name := range c.Echo {
		if wire.ValidName(name) != nil {
			t.Fatalf("service %q", name)
		}
	}
	seen := map[transport.PeerID]bool{}
	for _, p := range c.Peers {
		if seen[p.ID] || p.At.Host == "" || p.At.Port == 0 {
			t.Fatalf("peer %+v", p)
		}
		seen[p.ID] = true
	}
	for i := range settings {
		s, again := &settings[i], defaults("/d")
		if c.origin[s.key] == "" {
			continue
		}
		text := s.get(c)
		if err := s.set(&again, text); err != nil || !reflect.DeepEqual(s.get(&again), text) {
			t.Fatalf("%s is printed as %q, and that is %q, %v", s.key, text, s.get(&again), err)
		}
	}
	if c.Key == "" || c.Control == "" || c.LogFormat != "text" && c.LogFormat != "json" {
		t.Fatalf("%+v", c)
	}
}

// FuzzFile reads configuration files. One that is taken is valid, and read
// again it says the same.
func FuzzFile(f *testing.F) {
	for _, s := range []string{
		string(Template("org.example.x", "127.0.0.1:4433")), "", "#\n", "---\n...\n---\n",
		"realm: a.b\nmax_peers: 1_000\nservice_ttl: 3s\necho: [a, b]\npeers:\n  - " + someID + "@h:1\n",
		"realm: a.b\nrealm: c.d\n", "{realm: a, realm: b}\n", "\"realm\": a\nrealm: b\n", "? realm\n: a\n", // duplicate keys
		"max_peers: .nan\n", "max_peers: 1e3\n", "max_peers: 0x10\n", "service_ttl: .inf\n", "service_ttl: NaNs\n", "max_clients: 18446744073709551616\n",
		"realm: \xff\xfe\n", "echo: [\"\\xff\"]\n", "realm: \"a\\nb\"\n", "\"a\\nb\": 1\n", "key: \"\x00\"\n",
		"a: &a [*a]\n", "realm: &r a.b\nkey: *r\n", "<<: {realm: a}\n", "realm: !!binary aGk=\n", "realm: |\n  a\n", "realm: >-\n  a\n  b\n",
		"realm: [", "realm: {", "realm: \"", "realm: a\n\tkey: b\n", "- a\n- b\n", "realm:\n  realm:\n    realm: a\n", "a: b: c\n",
		strings.Repeat("[", 200), strings.Repeat("{a: ", 200), strings.Repeat("- ", 200), strings.Repeat("a:\n ", 50), strings.Repeat("k", 3000) + ": 1\n", "realm: " + strings.Repeat("r", 3000) + "\n",
		"peers: [" + strings.Repeat(someID+"@h:1, ", 3) + "]\n", "log_level: DEBUG\nlog_format: json\nopen_peers: yes\n", "http: [a=http://h/]\nadmin: off\napi: unix:a/b.sock\nservice_ttls: [a.**=5s, \"**=9s\"]\nkeep_alive: off\nconn_window: 1MiB\nadapt_high: 85%\n", "listen: \"[fe80::1%a\\nb]:1\"\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if len(text) > 16<<10 {
			return
		}
		c := defaults("/d")
		errs := c.parseFile("f.yaml", "/d", text)
		for _, err := range errs {
			oneLine(t, err)
		}
		if len(errs) > 0 {
			return
		}
		valid(t, &c)
		again := defaults("/d")
		if err := again.parseFile("f.yaml", "/d", text); len(err) > 0 || !reflect.DeepEqual(c, again) {
			t.Fatalf("read again: %+v, %v, at first %+v", again, err, c)
		}
	})
}

// FuzzSetting gives every setting any text, as a variable and as a flag: both
// are taken or both are refused, and what is taken is valid.
func FuzzSetting(f *testing.F) {
	for i, text := range []string{
		"", "a.b", "127.0.0.1:0", "[::1]:4433", "host:70000", someID + "@h:1", someID, "a, b", "true", "NaN", "Inf", "-1", "0", "1_000_000", "_", "+5",
		"9223372036854775808", "18446744073709551616", "1s", "300", "-5m", "1e3s", "999999999h", "\xff", "a\nb", "DEBUG", "jsno", strings.Repeat("x", 5000),
		"[fe80::1%a\nb]:1", someID + "@" + someID + "@h:1", "a..b", strings.Repeat("a,", 300),
		"off", "unix:/x/y.sock", "a.b=http://127.0.0.1:8080/x", "a=http://\xff/", "a.**=30s", "**=1h", "64KiB", "9223372036854775807GiB", "50%", "200%", "full",
	} {
		f.Add(uint8(i), text)
		for k := range settings {
			f.Add(uint8(k), text)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		s := &settings[int(which)%len(settings)]
		env := func(name string) string {
			if name == s.env() {
				return text
			}
			return ""
		}
		none := func(string) string { return "" }
		dir := "/there/is/no/such/directory"
		a, aerr := Load(Sources{Dir: dir, Env: env, Names: []string{s.env()}})
		b, berr := Load(Sources{Dir: dir, Env: none, Flags: []Value{{s.flag, s.split(text)}}})
		for _, err := range []error{aerr, berr} {
			if err != nil {
				oneLine(t, err)
			}
		}
		if text == "" {
			return // a variable that is empty is none
		}
		if (aerr == nil) != (berr == nil) {
			t.Fatalf("%s=%q: %v, and --%s: %v", s.env(), text, aerr, s.flag, berr)
		}
		if aerr != nil {
			return
		}
		valid(t, &a)
		a.origin, b.origin = nil, nil
		if !reflect.DeepEqual(a, b) {
			t.Fatalf("%s=%q: %+v, and --%s: %+v", s.env(), text, a, s.flag, b)
		}
	})
}

// FuzzParseAddress demands that what is taken is printed as text that means the
// same, in one line.
func FuzzParseAddress(f *testing.F) {
	for _, s := range []string{"", "off", "OFF", "unix:", "unix:/a", "unix:a\nb", "unix:\x00", "127.0.0.1:0", "h", "[::1]:65536", "unix:unix:x", "off:1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		a, err := ParseAddress(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		if again, err := ParseAddress(a.String()); err != nil || again != a || a.On == (text == "off") || a.Unix != "" && !a.Loopback() || strings.ContainsFunc(a.String(), unicode.IsControl) {
			t.Fatalf("%q is %+v, and printed that is %+v, %v", text, a, again, err)
		}
	})
}

// FuzzParseBackend demands the same of NAME=URL, and of NAME=DURATION.
func FuzzParseBackend(f *testing.F) {
	for _, s := range []string{"", "=", "a=", "=http://h/", "a=http://h/", "a=http://h/?x=y", "a=ftp://h/", "a=http://", "a=http://h/\n", "a b=http://h/", "a=5s", "a.**=5s", "**=1h", "a**=2s", "a.*=5s", "a=-5s", "a=1e9h", strings.Repeat("a", 300) + "=5s", "a=http://\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		b, err := ParseBackend(text)
		switch {
		case err != nil:
			oneLine(t, err)
		case b.Name+"="+b.URL != text || wire.ValidName(b.Name) != nil || wire.Printable(b.URL) != b.URL:
			t.Fatalf("%q is %+v", text, b)
		}
		n, err := ParseNameTTL(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		lim := registry.Limits{Entries: 1, TTL: n.TTL, MinTTL: n.TTL, MaxTTL: n.TTL, TTLs: []registry.NameTTL{n}}
		if again, err := ParseNameTTL(nameTTLText(n)); err != nil || again != n || lim.Check() != nil {
			t.Fatalf("%q is %+v, and printed that is %+v, %v; the registry says %v", text, n, again, err, lim.Check())
		}
	})
}

// FuzzToken demands that a token fits into a header, and that an error shows
// nothing of it.
func FuzzToken(f *testing.F) {
	for _, s := range []string{"", "\n", "short", "0123456789abcdef", "0123456789abcdef\r\n\n", "0123456789 abcdef", "0123456789abcdef\x00", strings.Repeat("x", 5000), "0123456789abcdé"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		token, err := parseToken(text)
		if err != nil {
			oneLine(t, err)
			if token != "" || len(text) > 40 && strings.Contains(err.Error(), text) {
				t.Fatalf("%q, %v", token, err)
			}
			return
		}
		if len(token) < minToken || len(token) > maxToken || strings.ContainsAny(token, " \t\r\n\x00") || !strings.HasPrefix(text, token) {
			t.Fatalf("%q is taken as %q", text, token)
		}
	})
}

// FuzzSet changes limits as a command asks for it. What is taken goes together
// and can be taken back; what is not is explained in one line.
func FuzzSet(f *testing.F) {
	for _, s := range []string{
		"", "=", "max_peers=5", "max_peers=5\nmax_clients=6", "max_peers=5\nmax_peers=6", " max_peers = 5 ", "max_peers", "max_peers=", "dials=5", "echo=a", "realm=a.b", "x=1",
		"service_ttl=1s\nmin_service_ttl=1s\nmax_service_ttl=1s", "max_service_ttl=1s", "service_ttls=a.**=5s,b=6s", "service_ttls=", "service_ttls=a=1ms", "log_level=debug", "log_level=\xff", "max_clients=1000000",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		was := defaults("/d")
		was.Realm = "a.b"
		was.finish()
		c := was.Clone()
		keys, err := c.Set(strings.Split(text, "\n"))
		if err != nil {
			oneLine(t, err)
			return
		}
		valid(t, &c)
		back := map[string]*Config{}
		for _, k := range keys {
			if IsLimit(k) != nil || c.Origin(k) != SourceSet {
				t.Fatalf("%s was set, from %s", k, c.Origin(k))
			}
			back[k] = &was
		}
		if err := c.Restore(back); err != nil || len(was.Changes(&c)) > 0 {
			t.Fatalf("taken back: %v, %+v", err, was.Changes(&c))
		}
	})
}

// FuzzEnvironment demands that variables of others are no error and at most a
// short warning each.
func FuzzEnvironment(f *testing.F) {
	for _, s := range []string{"MACULA_", "MACULA_DIR", "MACULA_MAXPEERS", "MACULA_\n", "MACULA_\xff", "macula_realm", "MACULA_" + strings.Repeat("X", 3000), ""} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, name string) {
		c, err := Load(Sources{Dir: "/there/is/no/such/directory", Env: func(string) string { return "" }, Names: []string{name}})
		if err != nil || len(c.Warnings) > 1 {
			t.Fatalf("%q, %v", c.Warnings, err)
		}
		for _, w := range c.Warnings {
			if len(w) > maxError || strings.ContainsFunc(w, unicode.IsControl) {
				t.Fatalf("a warning of %d bytes: %.2000q", len(w), w)
			}
		}
	})
}

// FuzzParseEndpoint demands that what is taken is printed as text that means
// the same, in one line, and that a resolver can be asked for the host.
func FuzzParseEndpoint(f *testing.F) {
	for _, s := range []string{
		"", ":", ":0", ":4433", "h:1", "127.0.0.1:65535", "[::1]:1", "[fe80::1%eth0]:1", "[fe80::1%a\nb]:1", "::1", "1.2.3.999:1", "[::ffff:1.2.3.4]:5",
		"h:65536", "h:-1", "h:+1", "h:00001", "h: 1", "h:1e3", "h:NaN", "\xff:1", "é:1", "[h]:1", "[]:1", "[[::1]]:1", "a b:1", strings.Repeat("h", 254) + ":1", strings.Repeat("h", 5000), "h:1\n",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := ParseEndpoint(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		again, err := ParseEndpoint(e.String())
		if err != nil || again != e || strings.ContainsFunc(e.String(), unicode.IsControl) || len(e.Host) > 300 {
			t.Fatalf("%q is %+v, printed as %q, and that is %+v, %v", text, e, e.String(), again, err)
		}
		if _, literal := e.Literal(); !literal && !validHost(e.Host) {
			t.Fatalf("%q: the host %q is neither an address nor a name", text, e.Host)
		}
	})
}

// FuzzParsePeer demands the same of a peer, and of ids.
func FuzzParsePeer(f *testing.F) {
	for _, s := range []string{
		"", "@", someID, someID + "@", someID + "@h", someID + "@h:0", someID + "@:1", someID + "@h:1", strings.ToUpper(someID) + "@[::1]:1", someID + "@" + someID + "@h:1",
		"x@h:1", someID[1:] + "@h:1", someID + "\n@h:1", "\xff@h:1", strings.Repeat("y", 5000) + "@h:1",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		id, _, _ := strings.Cut(text, "@")
		parsed, iderr := ParseID(id)
		if iderr != nil {
			oneLine(t, iderr)
		}
		p, err := ParsePeer(text)
		if err != nil {
			oneLine(t, err)
			return
		}
		again, err := ParsePeer(ident.String(p.ID) + "@" + p.At.String())
		if err != nil || again != p || iderr != nil || parsed != p.ID || p.At.Port == 0 || p.At.Host == "" {
			t.Fatalf("%q is %+v, and printed and read again %+v, %v", text, p, again, err)
		}
	})
}
