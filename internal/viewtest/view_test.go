//go:build ops

// The page of a run in a real browser: headless Chromium, driven over its
// debugging protocol. VIEW_SHOTS names a folder for screenshots; without it
// none are taken.
package viewtest

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/maculamesh/macula/sim/view"
)

// page is a run that is open in the browser.
type page struct {
	t       *testing.T
	ctx     context.Context
	allowed string // what the address of a request begins with

	mu       sync.Mutex
	complain []string // errors on the console, exceptions, requests
}

// open writes the page of a run to a file and loads it.
func open(t *testing.T, run *view.Run, width, height int) *page {
	t.Helper()
	file := filepath.Join(t.TempDir(), "run.html")
	out, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := view.HTML(out, run); err != nil {
		t.Fatal(err)
	}
	size, _ := out.Seek(0, 1)
	out.Close()
	t.Logf("%d events, %d decisions: a page of %.2f MB", run.Events, len(run.Records), float64(size)/1e6)

	p := browser(t, "file://", width, height)
	p.do(chromedp.EmulateViewport(int64(width), int64(height)), chromedp.Navigate("file://"+file), chromedp.WaitVisible("body.ready"))
	return p
}

func (p *page) listen(ev any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch ev := ev.(type) {
	case *runtime.EventExceptionThrown:
		p.complain = append(p.complain, "exception: "+fmt.Sprint(ev.ExceptionDetails.Exception.Description))
	case *runtime.EventConsoleAPICalled:
		if ev.Type == runtime.ConsoleAPICalledTypeError || ev.Type == runtime.ConsoleAPICalledTypeWarning {
			p.complain = append(p.complain, fmt.Sprintf("console %s: %s", ev.Type, ev.Args[0].Description))
		}
	case *network.EventRequestWillBeSent:
		if u := ev.Request.URL; !strings.HasPrefix(u, p.allowed) && !strings.HasPrefix(u, "data:") {
			p.complain = append(p.complain, "request: "+u)
		}
	}
}

func (p *page) do(steps ...chromedp.Action[chromedp.Void]) {
	p.t.Helper()
	if err := chromedp.Do(p.ctx, steps...); err != nil {
		p.t.Fatal(err)
	}
}

// ask evaluates an expression in the page.
func ask[T any](p *page, expr string) T {
	p.t.Helper()
	v, err := chromedp.Run(p.ctx, chromedp.Evaluate[T](expr, chromedp.EvalAwaitPromise))
	if err != nil {
		p.t.Fatalf("%s: %v", expr, err)
	}
	return v
}

// run executes statements in the page.
func (p *page) run(code string) {
	p.t.Helper()
	ask[bool](p, "(() => { "+code+"; return true; })()")
	p.frame()
}

// press types keys into the page, not into a field of it.
func (p *page) press(keys ...string) {
	p.t.Helper()
	for _, k := range keys {
		p.do(chromedp.KeyEvent(k))
	}
	p.frame()
}

// frame waits until what was asked for is drawn.
func (p *page) frame() {
	p.t.Helper()
	ask[bool](p, `new Promise((done) => {
		const look = () => (window.simview && (simview.asked || simview.waiting) ? requestAnimationFrame(look) : done(true));
		requestAnimationFrame(() => requestAnimationFrame(look));
	})`)
}

func (p *page) number(expr string) float64 {
	p.t.Helper()
	return ask[float64](p, "Number("+expr+")")
}

func (p *page) text(selector string) string {
	p.t.Helper()
	return ask[string](p, fmt.Sprintf("document.querySelector(%q).textContent", selector))
}

func (p *page) dark(on bool) {
	p.t.Helper()
	value := "light"
	if on {
		value = "dark"
	}
	_, err := chromedp.Call(p.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: value}, {Name: "prefers-reduced-motion", Value: "reduce"},
	}})
	if err != nil {
		p.t.Fatal(err)
	}
	p.frame()
}

// shot takes a screenshot, if they are wanted.
func (p *page) shot(name string) {
	p.t.Helper()
	dir := os.Getenv("VIEW_SHOTS")
	if dir == "" {
		return
	}
	p.frame()
	png, err := chromedp.Run(p.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		p.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		p.t.Fatal(err)
	}
}

// quiet demands that nothing went wrong on the page.
func (p *page) quiet() {
	p.t.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range p.complain {
		p.t.Error(c)
	}
}

func (p *page) want(what string, got, want float64) {
	p.t.Helper()
	if got != want {
		p.t.Errorf("%s: %v, want %v", what, got, want)
	}
}

const selected = "simview.view.selected"

func TestAHundredThousandEventsCanBeSteppedThroughByKeys(t *testing.T) {
	run := large(10, 100_000)
	p := open(t, run, 1280, 800)
	p.want("records in the page", p.number("simview.run.count"), float64(len(run.Records)))
	p.shot("01-all-light")

	p.press("j")
	first := p.number(selected)
	p.press("j", "j")
	after := p.number(selected)
	if first < 0 || after <= first {
		t.Errorf("j went from %v to %v", first, after)
	}
	p.press("k", "k")
	p.want("back by k", p.number(selected), first)

	kind := func() string { return p.text("#p-event .kind") }
	for key, want := range map[string]string{"m": "deliver drop", "l": "log", "x": "fault crash restart pause resume slow", "o": "note"} {
		p.press(key)
		if !strings.Contains(want, kind()) {
			t.Errorf("%s selects a record of kind %q, want one of %s", key, kind(), want)
		}
	}
	p.press(kb.End)
	p.want("the last event", p.number(selected), float64(len(run.Records)-1))
	p.press(kb.Home)
	if p.number("simview.view.at("+selected+")") != 0 {
		t.Error("Home does not select what happens at the start")
	}

	p.press("f")
	if got := p.number("simview.run.event[" + selected + "]"); got > float64(run.Failure.Event) || got < float64(run.Failure.Event)-1 {
		t.Errorf("f selects event %v, the failure is of event %v", got, run.Failure.Event)
	}
	p.shot("02-failure-light")
	p.quiet()
}

func TestZoomingAndPanningKeepTheWindowWithinTheRun(t *testing.T) {
	p := open(t, large(10, 100_000), 1280, 800)
	whole := p.number("simview.view.x1 - simview.view.x0")
	p.press("x", "x", "x", "+", "+", "+", "+", "+", "+")
	p.shot("03-middle-light")
	p.press("+", "+", "+", "+", "+", "+", "+", "+")
	near := p.number("simview.view.x1 - simview.view.x0")
	if near >= whole/100 {
		t.Errorf("the window is %v after zooming in from %v", near, whole)
	}
	x := p.number("simview.view.x(simview.view.at(" + selected + "))")
	if x < 0 || x > 1280 {
		t.Errorf("zooming by keys lost the selected event: it is at %v", x)
	}
	p.shot("04-near-light")
	p.press("d", "d", "a")
	p.press("0")
	p.want("the window after 0", p.number("simview.view.x1 - simview.view.x0"), whole)
	for range 40 {
		p.do(chromedp.KeyEvent("+"))
	}
	p.frame()
	p.press("t")
	p.press("0")
	p.shot("05-order-light")
	p.press("t")
	p.quiet()
	t.Logf("frames drawn: %v, the slowest took %.1f ms", p.number("simview.view.frames"), p.number("simview.view.slowest"))
}

func TestFiltersAndSearchAgree(t *testing.T) {
	run := large(10, 20_000)
	p := open(t, run, 1280, 800)
	p.press("/")
	p.want("the search field has the focus", p.number(`document.activeElement.id === "query"`), 1)
	p.run(`document.activeElement.value = ""`)
	p.do(chromedp.SendKeys("#query", "session"))
	p.frame()
	found := p.number("simview.view.matches.length")
	if found == 0 || !strings.HasPrefix(p.text("#count"), "1 of ") {
		t.Fatalf("%v matches, the count says %q", found, p.text("#count"))
	}
	p.do(chromedp.SendKeys("#query", kb.Enter))
	p.frame()
	if got := p.text("#count"); !strings.HasPrefix(got, "2 of ") {
		t.Errorf("after Enter the count says %q", got)
	}
	p.shot("06-search-light")
	// Without log lines there is nothing to find, and the page says so.
	p.run(`[...document.querySelectorAll("#kinds label")].find((l) => l.textContent.startsWith("log")).querySelector("input").click()`)
	p.want("matches without log lines", p.number("simview.view.matches.length"), 0)
	if got := p.text("#count"); !strings.Contains(got, "hidden") {
		t.Errorf("the count says %q and not that matches are hidden", got)
	}
	before := p.number("simview.view.visible.length")
	p.run(`document.querySelectorAll("#machines input")[3].click()`)
	p.want("lanes without one machine", p.number("simview.view.visible.length"), before-1)
	p.run(`document.querySelector("#kinds-sum").click()`)
	p.shot("07-filter-light")
	p.quiet()
}

func TestAMessageIsFoundUnderThePointer(t *testing.T) {
	p := open(t, large(10, 20_000), 1280, 800)
	p.press("m", "m", "m", kb.Enter)
	p.run(`window.picked = simview.view.selected; simview.escape()`)
	at := ask[[]float64](p, `(() => { const a = simview.view.arrow(window.picked), b = document.querySelector("#diagram").getBoundingClientRect();
		return [b.left + a.x0 * 0.45 + a.x1 * 0.55, b.top + a.y0 * 0.45 + a.y1 * 0.55]; })()`)
	p.do(chromedp.MouseEvent(input.DispatchMouseEventTypeMouseMoved, at[0], at[1]))
	p.frame()
	if tip := p.text("#tip"); !strings.Contains(tip, "under way") || p.number(`document.querySelector("#tip").hidden`) != 0 {
		t.Errorf("over an arrow the tip is %q", tip)
	}
	p.shot("08-hover-light")
	p.do(chromedp.MouseClickXY(at[0], at[1]))
	p.frame()
	if kind := p.text("#p-event .kind"); kind != "deliver" && kind != "drop" {
		t.Errorf("a click on an arrow selects a record of kind %q", kind)
	}
	p.shot("08-message-light")
	p.quiet()
}

func TestTheKeysAreShownOnDemand(t *testing.T) {
	p := open(t, large(4, 2_000), 1280, 800)
	p.press("?")
	p.want("the dialog is open", p.number(`document.querySelector("#keys").open`), 1)
	p.shot("09-keys-light")
	p.press(kb.Escape)
	p.want("the dialog is open after Escape", p.number(`document.querySelector("#keys").open`), 0)
	p.quiet()
}

func TestEveryControlHasAName(t *testing.T) {
	p := open(t, large(4, 2_000), 1280, 800)
	p.press("j")
	bare := ask[[]string](p, `[...document.querySelectorAll("button, input, summary, canvas[role], [role=application]")].filter((e) => {
		const label = e.getAttribute("aria-label") || e.textContent.trim() || (e.labels && [...e.labels].map((l) => l.textContent).join(""));
		return !/[a-z]/i.test(label || "");
	}).map((e) => e.outerHTML)`)
	for _, b := range bare {
		t.Errorf("a control without a name: %s", b)
	}
	p.quiet()
}

func TestItIsUsableInTheDarkAndOnANarrowScreen(t *testing.T) {
	run := large(10, 100_000)
	p := open(t, run, 1280, 800)
	p.dark(true)
	p.shot("10-all-dark")
	p.press("f")
	p.shot("11-failure-dark")
	p.press("x", "X", "+", "+", "+", "+", "+")
	p.shot("12-middle-dark")
	p.dark(false)
	p.do(chromedp.EmulateViewport(400, 860))
	p.frame()
	p.press("0")
	if w := p.number("document.documentElement.scrollWidth"); w > 400 {
		t.Errorf("at 400 pixels the page is %v wide", w)
	}
	p.shot("13-narrow-light")
	p.press("f")
	p.shot("14-narrow-failure")
	p.run(`window.scrollTo(0, 100000)`)
	p.shot("15-narrow-panel")
	p.quiet()
}

func TestARealRunIsShown(t *testing.T) {
	p := open(t, real(t), 1280, 800)
	p.shot("20-real-all")
	p.press("x", "x", "x", kb.Enter)
	p.shot("21-real-fault")
	p.press("m", "m", kb.Enter, "+", "+", "+", "+")
	p.shot("22-real-message")
	p.do(chromedp.Click("#tab-faults"))
	p.dark(true)
	p.press("0")
	p.shot("23-real-faults-dark")
	p.quiet()
}
