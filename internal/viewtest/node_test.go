//go:build ops

// A real node: its status page in a browser, and its HTTP API from Python.
package viewtest

import (
	"bufio"
	"bytes"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/chromedp/chromedp"
)

// command is the node's command, built once.
var command = sync.OnceValues(func() (string, error) { return build("maculanode", "build", "./cmd/maculanode") })

// realNode is a node in a process of its own.
type realNode struct{ admin, api, token string }

// start makes a node with a status page and an API, on ports that are free.
func start(t *testing.T) *realNode {
	t.Helper()
	bin, err := command()
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(t.TempDir(), "node")
	if out, err := exec.Command(bin, "init", "--dir", dir, "--realm", "example.net", "--listen", "127.0.0.1:0").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	n := &realNode{token: strings.Repeat("0123456789abcdef", 2)}
	file := filepath.Join(dir, "token")
	if err := os.WriteFile(file, []byte(n.token), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "run", "--dir", dir, "--admin", "127.0.0.1:0", "--api", "127.0.0.1:0", "--api-token-file", file, "--echo", "demo.echo")
	var log bytes.Buffer
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		io.Copy(io.Discard, out)
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node ended with %v: %s", err, log.String())
		}
	})
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		for field := range strings.FieldsSeq(lines.Text()) {
			if v, ok := strings.CutPrefix(field, "admin="); ok {
				n.admin = v + "/"
			}
			if v, ok := strings.CutPrefix(field, "api="); ok {
				n.api = v
			}
		}
		if n.admin != "" && n.api != "" {
			return n
		}
	}
	t.Fatalf("the node did not say where it is: %s", log.String())
	return nil
}

// call calls a service over the API.
func (n *realNode) call(t *testing.T, service, body string) {
	t.Helper()
	r, err := http.NewRequest("POST", n.api+"/v1/call/"+service, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+n.token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if got, _ := io.ReadAll(resp.Body); string(got) != body {
		t.Fatalf("%s answered %q", service, got)
	}
}

func TestTheStatusPageOfARealNodeShowsWhatItDoes(t *testing.T) {
	n := start(t)
	p := browser(t, n.admin, 1280, 900)
	p.do(chromedp.EmulateViewport(1280, 900), chromedp.Navigate(n.admin), chromedp.WaitVisible("#main"))
	p.until("ready", `document.querySelector("#verdict").textContent === "ready"`)
	p.until("its service is listed", `document.querySelector("#part-services").textContent.includes("demo.echo")`)
	for range 20 {
		n.call(t, "demo.echo", "hello")
	}
	p.until("the calls are counted", `[...document.querySelectorAll("#part-rates tr")].some((r) => r.cells[0].textContent === "calls made from here" && Number(r.cells[4].textContent) >= 20)`)
	p.run(`document.querySelector("details").open = true`)
	p.whole("36-admin-real")
	p.quiet()
}

func TestARealNodeShowsNoSecret(t *testing.T) {
	n := start(t)
	for _, path := range []string{"configz", "statusz", "metrics", "debug/pprof/cmdline", ""} {
		resp, err := http.Get(n.admin + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 || bytes.Contains(body, []byte(n.token)) {
			t.Errorf("/%s: %d, %v, the token is in it: %v", path, resp.StatusCode, err, bytes.Contains(body, []byte(n.token)))
		}
		if path == "configz" && !bytes.Contains(body, []byte("api_token_file")) {
			t.Errorf("/configz does not show where the token is: %s", body)
		}
	}
}

// The programs of examples/http, which are what the API is for.
func TestAPythonProgramProvidesAServiceAndAnotherCallsIt(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 on this machine")
	}
	n := start(t)
	program := func(script string, args ...string) *exec.Cmd {
		c := exec.CommandContext(t.Context(), python, append([]string{filepath.Join("../../examples/http", script), "--api", n.api}, args...)...)
		c.Env = append(os.Environ(), "MACULA_API_TOKEN="+n.token)
		return c
	}
	provider := program("serve.py", "demo/shout")
	out, err := provider.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	provider.Stderr = os.Stderr
	if err := provider.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); !strings.HasPrefix(line, "demo/shout is answered at ") {
		t.Fatalf("%q %v", line, err)
	}
	reply, err := program("call.py", "demo/shout", "hello, mesh").Output()
	if err != nil || string(reply) != "HELLO, MESH" {
		t.Errorf("%q %v", reply, err)
	}
	if text, err := program("call.py", "demo/shout", "").CombinedOutput(); err == nil || !strings.Contains(string(text), "say something") {
		t.Errorf("an error of the handler: %q %v", text, err)
	}
	provider.Process.Signal(syscall.SIGTERM)
	if err := provider.Wait(); err != nil {
		t.Errorf("the provider ended with %v", err)
	}
	if text, err := program("call.py", "demo/shout", "x").CombinedOutput(); err == nil || !strings.Contains(string(text), "nobody provides") {
		t.Errorf("after the provider has gone: %q %v", text, err)
	}
}
