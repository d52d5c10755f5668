//go:build ops

// The status page of a node in a real browser.
package viewtest

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
)

// made are the folders with what was built.
var made []string

// build makes a program in a folder that is removed at the end.
func build(name string, args ...string) (string, error) {
	dir, err := os.MkdirTemp("", "macula-"+name)
	if err != nil {
		return "", err
	}
	made = append(made, dir)
	bin := filepath.Join(dir, name)
	cmd := exec.Command("go", append(args[:len(args)-1:len(args)-1], "-o", bin, args[len(args)-1])...)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", fmt.Errorf("%w: %s", err, out)
	}
	return bin, nil
}

// shown is the program that serves the page of a made-up node: a test of the
// package that makes the page, for only the command may import that.
var shown = sync.OnceValues(func() (string, error) {
	return build("show", "test", "-c", "-tags", "ops", "./cmd/maculanode/internal/admin")
})

func TestMain(m *testing.M) {
	code := m.Run()
	for _, dir := range made {
		os.RemoveAll(dir)
	}
	os.Exit(code)
}

// served is a node whose page is open in the browser.
type served struct {
	*page
	url   string
	stdin io.Writer
}

// serve starts a node of that kind and opens its page.
func serve(t *testing.T, kind, token string, width, height int) *served {
	t.Helper()
	bin, err := shown()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, "-test.run", "^TestShow$", "-test.timeout", "10m")
	cmd.Env = append(os.Environ(), "MACULA_SHOW="+kind, "MACULA_SHOW_TOKEN="+token)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stdin.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the node: %v", err)
		}
	})
	line, err := bufio.NewReader(stdout).ReadString('\n')
	url := strings.TrimSpace(strings.TrimPrefix(line, "listening on "))
	if err != nil || !strings.HasPrefix(url, "http://127.0.0.1:") {
		t.Fatalf("the node said %q: %v", line, err)
	}
	go io.Copy(io.Discard, stdout)
	p := browser(t, url, width, height)
	start := url
	if token != "" {
		start += "?token=" + token
	}
	p.do(chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate(start), chromedp.WaitVisible("#main"))
	return &served{page: p, url: url, stdin: stdin}
}

// browser starts one that may ask for what is below allowed.
func browser(t *testing.T, allowed string, width, height int) *page {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.NoSandbox, chromedp.WindowSize(width, height),
		chromedp.Flag("force-prefers-reduced-motion", true), chromedp.Flag("disable-dev-shm-usage", true))
	alloc, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel := chromedp.NewContext(alloc)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	p := &page{t: t, ctx: ctx, allowed: allowed}
	if err := chromedp.Listen(ctx, p.listen); err != nil {
		t.Fatal(err)
	}
	if _, err := chromedp.Call(ctx, network.Enable, network.EnableParams{}); err != nil {
		t.Fatal(err)
	}
	return p
}

// until waits for an expression to be true.
func (p *page) until(what, expr string) {
	p.t.Helper()
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if ask[bool](p, "Boolean("+expr+")") {
			return
		}
	}
	p.t.Fatalf("%s: never", what)
}

// whole takes a screenshot of the whole page.
func (p *page) whole(name string) {
	p.t.Helper()
	dir := os.Getenv("VIEW_SHOTS")
	if dir == "" {
		return
	}
	png, err := chromedp.Run(p.ctx, chromedp.FullScreenshot(100))
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

func TestTheStatusPageFollowsTheNode(t *testing.T) {
	p := serve(t, "busy", "", 1280, 900)
	p.until("live", `document.querySelector("#live-state").textContent === "live"`)
	p.run(`window.loaded = document.querySelector("#part-facts").textContent`)
	p.until("the figures are replaced", `document.querySelector("#part-facts").textContent !== window.loaded`)
	fmt.Fprintln(p.stdin, "draining")
	p.until("not ready is shown", `document.querySelector("#verdict").textContent === "not ready: draining"`)
	p.until("and told to a screen reader", `document.querySelector("#said").textContent === "not ready: draining"`)
	if title := ask[string](p.page, "document.title"); !strings.HasPrefix(title, "not ready") {
		t.Errorf("the title is %q", title)
	}
	p.whole("30-admin-not-ready")
	fmt.Fprintln(p.stdin, "")
	p.until("ready again", `document.querySelector("#verdict").textContent === "ready"`)
	p.quiet()
}

func TestAPausedStatusPageStandsStill(t *testing.T) {
	p := serve(t, "busy", "", 1280, 900)
	p.until("live", `document.querySelector("#live-state").textContent === "live"`)
	p.do(chromedp.Click("#live-button"))
	p.until("paused", `document.querySelector("#live-state").textContent === "paused"`)
	before := p.text("#part-head")
	fmt.Fprintln(p.stdin, "draining")
	// Another page, which is not paused, says when it would have come.
	p.run(`window.other = new EventSource("events"); window.heard = 0; other.addEventListener("part", (e) => { if (e.data.includes("draining")) window.heard++; })`)
	p.until("it was sent", "window.heard > 0")
	if after := p.text("#part-head"); after != before {
		t.Errorf("it changed: %q", after)
	}
	p.run("other.close()")
	p.do(chromedp.Click("#live-button"))
	p.until("it follows again", `document.querySelector("#verdict").textContent === "not ready: draining"`)
	p.quiet()
}

func TestASelectionOnTheStatusPageIsNotTakenAway(t *testing.T) {
	p := serve(t, "busy", "", 1280, 900)
	p.until("live", `document.querySelector("#live-state").textContent === "live"`)
	p.run(`getSelection().selectAllChildren(document.querySelector(".id")); window.heard = 0;
		window.other = new EventSource("events"); other.addEventListener("part", () => window.heard++)`)
	fmt.Fprintln(p.stdin, "draining")
	p.until("other parts came", "window.heard > 25")
	if got := ask[string](p.page, "String(getSelection())"); len(got) < 50 {
		t.Errorf("selected is %q", got)
	}
	p.run("other.close(); getSelection().removeAllRanges()")
	p.until("what was held back is shown", `document.querySelector("#verdict").textContent === "not ready: draining"`)
	p.quiet()
}

func TestEverythingOnTheStatusPageIsReachedByKeys(t *testing.T) {
	p := serve(t, "busy", "", 1280, 900)
	p.press(kb.Tab)
	if got := ask[string](p.page, "document.activeElement.className"); got != "skip" {
		t.Fatalf("the first stop is %q, want the link that skips", got)
	}
	p.shot("31-admin-skip")
	p.press(kb.Enter)
	p.want("the skip link leads to the figures", p.number(`document.activeElement.id === "main"`), 1)
	p.run(`document.querySelector(".skip").focus(); window.stops = new Set()`)
	all := p.number(`window.all = document.querySelectorAll("a[href], button, [tabindex='0']").length`)
	for range int(all) {
		p.run(`window.stops.add(document.activeElement);
			const s = getComputedStyle(document.activeElement); if (s.outlineStyle === "none" || s.outlineWidth === "0px") window.bare = document.activeElement.outerHTML.slice(0, 80)`)
		p.do(chromedp.KeyEvent(kb.Tab))
	}
	p.want("stops of the tab key", p.number("window.stops.size"), all)
	if bare := ask[string](p.page, `window.bare || ""`); bare != "" {
		t.Errorf("a stop without a mark of the focus: %s", bare)
	}
	wrong := ask[[]string](p.page, `[...document.querySelectorAll("table")].filter((t) => !t.caption || [...t.querySelectorAll("th")].some((h) => !h.scope)).map((t) => t.outerHTML.slice(0, 80))
		.concat([...document.querySelectorAll("svg[role=img]")].filter((s) => !s.getAttribute("aria-label")).map((s) => s.outerHTML.slice(0, 80)))`)
	for _, w := range wrong {
		t.Errorf("without a caption, a scope or a name: %s", w)
	}
	p.quiet()
}

func TestTheStatusPageFitsNarrowScreensAndTheDark(t *testing.T) {
	for _, kind := range []string{"busy", "new"} {
		p := serve(t, kind, "", 1280, 900)
		p.until("live", `document.querySelector("#live-state").textContent === "live"`)
		p.whole("32-admin-" + kind + "-wide")
		p.dark(true)
		p.whole("33-admin-" + kind + "-dark")
		p.dark(false)
		p.do(chromedp.EmulateViewport(360, 780))
		p.frame()
		if w := p.number("document.documentElement.scrollWidth"); w > 360 {
			t.Errorf("%s: at 360 pixels the page is %v wide", kind, w)
		}
		p.whole("34-admin-" + kind + "-narrow")
		p.quiet()
	}
}

func TestATokenInTheAddressBecomesACookieOfTheBrowser(t *testing.T) {
	p := serve(t, "busy", "s3cret", 1280, 900)
	if at := ask[string](p.page, "location.href"); at != p.url {
		t.Errorf("the address is %q: the token stays in the history", at)
	}
	if cookie := ask[string](p.page, "document.cookie"); cookie != "" {
		t.Errorf("scripts can read the cookie: %q", cookie)
	}
	p.until("it follows the node", `document.querySelector("#live-state").textContent === "live"`)
	p.do(chromedp.Navigate(p.url), chromedp.WaitVisible("#main"))
	p.quiet()
}

func TestTheStatusPageNeedsNoScript(t *testing.T) {
	p := serve(t, "busy", "", 1280, 900)
	if _, err := chromedp.Call(p.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	p.do(chromedp.Navigate(p.url), chromedp.WaitVisible("noscript p"), chromedp.WaitVisible("#part-charts svg"))
	p.whole("35-admin-no-script")
	p.quiet()
}
