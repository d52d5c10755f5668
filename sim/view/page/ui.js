// ui.js: the controls around the drawing, and what the keys do.

const $ = (id) => document.getElementById(id);

// make builds an element: make("p", {class: "x"}, "text", child).
function make(tag, attributes, ...children) {
  const e = document.createElement(tag);
  for (const [k, v] of Object.entries(attributes || {})) {
    if (k.startsWith("on")) e.addEventListener(k.slice(2), v);
    else if (v === true) e.setAttribute(k, "");
    else if (v !== false && v !== undefined && v !== null) e.setAttribute(k, v);
  }
  e.append(...children.filter((c) => c !== null && c !== undefined));
  return e;
}

const KEYS = [
  ["j  →", "next event", () => ui.step(1)],
  ["k  ←", "previous event", () => ui.step(-1)],
  ["m  M", "next, previous message", (e) => ui.stepTo(e.shiftKey ? -1 : 1, ["deliver", "drop"])],
  ["l  L", "next, previous log line", (e) => ui.stepTo(e.shiftKey ? -1 : 1, ["log"])],
  ["x  X", "next, previous fault", (e) => ui.stepTo(e.shiftKey ? -1 : 1, ["fault", "crash", "restart", "pause", "resume", "clock", "slow"])],
  ["o  O", "next, previous note", (e) => ui.stepTo(e.shiftKey ? -1 : 1, ["note"])],
  ["]  [", "next, previous step of the same task", (e) => ui.stepTask(e.key === "]" ? 1 : -1)],
  ["↓  ↑", "same instant, lane below or above", (e) => ui.stepLane(e.key === "ArrowDown" ? 1 : -1)],
  ["f", "jump to the failure", () => ui.toFailure()],
  ["Home  End", "first, last event", (e) => ui.select(e.key === "Home" ? ui.nextShown(-1, 1) : ui.nextShown(ui.run.count, -1))],
  ["Enter", "close in on the selected event", () => ui.closeIn(ui.view.selected)],
  ["+  −", "zoom in, out", (e) => ui.zoom(e.key === "-" ? 1.6 : 1 / 1.6)],
  ["0", "the whole run", () => ui.goto(-Infinity, Infinity)],
  ["a  d", "pan left, right", (e) => ui.pan(e.key === "a" ? -0.25 : 0.25)],
  ["t", "space by time, or evenly by order", () => ui.axis(!ui.view.order)],
  ["/", "search", () => $("query").focus()],
  ["n  N", "next, previous match", (e) => ui.match(e.shiftKey ? -1 : 1)],
  ["Esc", "clear the selection, close a menu", () => ui.escape()],
  ["?", "these keys", () => $("keys").showModal()],
];

const ui = {
  start(run) {
    this.run = run;
    this.view = new View(run);
    this.header();
    this.menus();
    this.faultsTab();
    this.failureTab();
    this.runTab();
    this.gaugeRows();
    this.wire();
    this.theme();
    this.resize();
    this.view.fit();
    this.showEvent();
    this.tab(run.failure ? "failure" : "event");
    const from = /^#event=(\d+)$/.exec(location.hash);
    if (from) this.closeIn(lowerBound(run.event, Number(from[1])));
  },

  header() {
    const r = this.run;
    $("title").textContent = r.title;
    const v = $("verdict");
    v.textContent = r.failure ? "violated" : "held";
    v.className = "pill " + (r.failure ? "bad" : "good");
    for (const [text, wide] of [[`${lasting(r.simulated)} simulated`], [`${thousands(r.events)} events`], [`${thousands(r.count)} decisions`, 1], [`strategy ${r.strategy}`, 1], [`trace ${r.hash}`, 1], [r.version, 1]]) {
      if (text) $("meta").append(make("span", { class: wide ? "wide" : null }, text));
    }
    const b = $("banner");
    if (r.failure) {
      b.hidden = false;
      b.className = "banner bad";
      b.append(make("strong", null, r.failure.property), make("span", null, r.failure.saw), make("em", null, `event ${thousands(r.failure.event)}, ${seconds(r.failure.at_ns)}`));
      $("fail").hidden = false;
    }
    if (r.cut) {
      const note = make("div", { class: "banner note" }, `${thousands(r.cut)} earlier decisions were not kept: the record is complete from decision ${thousands(r.since)} on. Faults from before are shown.`);
      b.after(note);
    }
  },

  menus() {
    const r = this.run, view = this.view;
    const list = (into, items, on, changed) => {
      const boxes = items.map(([index, label, count, swatch]) => {
        const box = make("input", { type: "checkbox", onchange: () => { on[index] = box.checked ? 1 : 0; changed(); } });
        box.checked = !!on[index];
        return { index, box, row: make("label", null, box, make("i", { style: swatch ? `background:${swatch}` : "" }), make("span", null, label), make("b", null, thousands(count))) };
      });
      const set = (f) => { for (const b of boxes) { on[b.index] = f(b.index) ? 1 : 0; b.box.checked = !!on[b.index]; } changed(); };
      into.append(make("div", { class: "all" }, make("button", { type: "button", onclick: () => set(() => true) }, "All"), make("button", { type: "button", onclick: () => set(() => false) }, "None")), ...boxes.map((b) => b.row));
      return boxes;
    };
    const kinds = r.kinds.map((k, i) => [i, k, r.kindCount[i], null]).filter((k) => k[2] > 0);
    const lanes = r.lanes.map((l, i) => [i, l.name, l.count, view.color(i)]).filter((l) => !r.lanes[l[0]].world || l[2] > 0);
    const changed = () => {
      view.filtered();
      this.sums(kinds, lanes);
      this.search(false);
      this.resize();
    };
    this.kindBoxes = list($("kinds"), kinds, view.kindOn, changed);
    list($("machines"), lanes, view.laneOn, changed);
    this.sums(kinds, lanes);
  },

  sums(kinds, lanes) {
    $("kinds-sum").textContent = `Kinds ${kinds.filter((k) => this.view.kindOn[k[0]]).length}/${kinds.length}`;
    $("machines-sum").textContent = `Machines ${lanes.filter((l) => this.view.laneOn[l[0]]).length}/${lanes.length}`;
  },

  // Drawing.

  theme() {
    const style = getComputedStyle(document.documentElement), v = (n) => style.getPropertyValue("--" + n).trim();
    this.view.dark = matchMedia("(prefers-color-scheme: dark)").matches;
    this.view.hatches = {};
    this.view.ink = { font: v("font") };
    for (const n of ["bg", "panel", "stripe", "line", "grid", "text", "soft", "muted", "accent", "log", "note", "fault", "faultSoft", "part", "partSoft", "lost", "failSoft", "onFail", "good", "match", "down", "paused", "hatch", "hatchDown"]) this.view.ink[n] = v(n);
    document.querySelectorAll("#machines label i").forEach((e, j) => {
      const shown = this.run.lanes.map((l, i) => i).filter((i) => !this.run.lanes[i].world || this.run.lanes[i].count > 0);
      e.style.background = this.view.color(shown[j]);
    });
    this.miniKey = "";
    this.draw();
  },

  resize() {
    const d = $("diagram"), ratio = window.devicePixelRatio || 1;
    const width = d.clientWidth, height = d.clientHeight;
    this.view.resize(width, height, innerWidth < 620);
    document.documentElement.style.setProperty("--gutter", this.view.gutter + "px");
    for (const id of ["base", "top"]) sized($(id), width, height, ratio);
    this.view.layout();
    $("space").style.height = Math.max(0, this.view.content - height) + "px";
    const o = $("over");
    sized(o, o.clientWidth, o.clientHeight, ratio);
    for (const g of this.charts) sized(g.canvas, g.canvas.clientWidth, g.canvas.clientHeight, ratio);
    this.miniKey = "";
    this.dirty = true;
    this.paint(); // at once: a page that is not shown gets no frames
  },

  draw(follow) {
    if (!follow) this.dirty = true;
    if (this.asked) return;
    this.asked = true;
    requestAnimationFrame(() => {
      this.asked = false;
      this.paint();
    });
  },

  paint() {
    if (this.dirty) this.view.paint($("base").getContext("2d"));
    this.view.follow($("top").getContext("2d"));
    this.overview();
    for (const g of this.charts) this.chart(g);
    this.dirty = false;
  },

  chart(g) {
    const c = g.canvas.getContext("2d");
    paintGauge(this.view, g.group, c, g.canvas.clientWidth, g.canvas.clientHeight);
    const pos = this.view.cursorPos();
    let value = g.group.peak, who = "peak";
    if (pos !== null) {
      value = null;
      who = "";
      for (const s of g.group.list) {
        const v = valueAt(this.view, s, pos);
        if (v !== null && (value === null || v > value)) { value = v; who = s.lane ? this.run.lanes[s.lane].name : ""; }
      }
    }
    const text = value === null ? "–" : `${thousands(value)}${g.group.limit >= 0 ? " / " + short(g.group.limit) : ""}`;
    if (g.value.textContent !== text) g.value.textContent = text;
    if (g.who.textContent !== who) g.who.textContent = who;
    g.value.classList.toggle("over", g.group.limit >= 0 && value > g.group.limit);
  },

  gaugeRows() {
    this.charts = this.view.groups.map((group) => {
      const canvas = make("canvas", { role: "img", "aria-label": `${group.title}, peak ${group.peak}${group.limit >= 0 ? ", limit " + group.limit : ""}` });
      const value = make("b"), who = make("small");
      $("gauges").append(make("div", { class: "gauge" }, make("div", { class: "name" }, make("span", { title: group.title }, group.title), value, who), canvas));
      return { group, canvas, value, who };
    });
    $("gauges").hidden = !this.charts.length;
  },

  // overview is the strip with the whole run.
  overview() {
    const o = $("over"), c = o.getContext("2d"), v = this.view, r = this.run, w = o.clientWidth, h = o.clientHeight, g = v.gutter;
    const x = (pos) => g + (pos / v.limit) * (w - g - 8);
    const key = [w, h, v.order, v.dark, v.shown.length, this.filterCount || 0].join();
    if (this.miniKey !== key) {
      this.miniKey = key;
      const n = Math.max(1, Math.floor((w - g - 8) / 2)), bins = new Float64Array(n);
      for (let i = 0; i < r.count; i++) if (v.shown[i]) bins[Math.min(n - 1, Math.floor((v.at(i) / v.limit) * n))]++;
      this.mini = { n, bins, most: Math.sqrt(Math.max(1, bins.reduce((a, b) => Math.max(a, b), 0))) };
    }
    c.clearRect(0, 0, w, h);
    c.fillStyle = v.ink.muted;
    c.globalAlpha = 0.45;
    const m = this.mini, bw = (w - g - 8) / m.n;
    for (let b = 0; b < m.n; b++) if (m.bins[b]) { const bh = (Math.sqrt(m.bins[b]) / m.most) * (h - 14); c.fillRect(g + b * bw, h - 7 - bh, Math.max(1, bw - 0.4), bh); }
    c.globalAlpha = 1;
    for (const s of r.spans) {
      c.fillStyle = s.what === "down" ? v.ink.lost : s.groups ? v.ink.part : v.ink.fault;
      c.fillRect(x(v.spanFrom(s)), h - 5, Math.max(2, x(v.spanTo(s)) - x(v.spanFrom(s))), 3);
    }
    if (v.matches) {
      c.fillStyle = v.ink.match;
      let before = -9;
      for (const i of v.matches) { const mx = Math.floor(x(v.at(i))); if (mx !== before) c.fillRect((before = mx), 2, 1.5, 6); }
    }
    if (r.failure) { c.fillStyle = v.ink.lost; c.fillRect(x(v.order ? r.failIndex : r.failure.at_ns) - 1, 0, 2, h); }
    const a = Math.max(g, x(v.x0)), b = Math.min(w - 2, x(v.x1));
    c.fillStyle = v.ink.bg;
    c.globalAlpha = 0.62;
    c.fillRect(g, 0, a - g, h);
    c.fillRect(b, 0, w - b, h);
    c.globalAlpha = 1;
    c.strokeStyle = v.ink.accent;
    c.lineWidth = 1.5;
    c.strokeRect(a + 0.5, 1, Math.max(3, b - a - 1), h - 2);
    c.fillStyle = v.ink.muted;
    c.font = "11px " + v.ink.font;
    c.textBaseline = "middle";
    c.fillText(clip(c, g < 80 ? "all" : "whole run", g - 16), 11, h / 2);
    if (v.selected >= 0) { c.fillStyle = v.ink.accent; c.fillRect(x(v.at(v.selected)) - 0.5, 0, 1.5, h); }
  },

  // Moving.

  // goto moves the window, smoothly where that is wanted.
  goto(x0, x1) {
    const v = this.view, a0 = v.x0, a1 = v.x1;
    if (x0 === -Infinity) v.fit(); else v.window(x0, x1);
    const b0 = v.x0, b1 = v.x1, begun = performance.now();
    clearTimeout(this.moving);
    if (matchMedia("(prefers-reduced-motion: reduce)").matches) { this.draw(); return; }
    const frame = () => {
      const t = Math.min(1, (performance.now() - begun) / 140), e = 1 - (1 - t) ** 3;
      v.x0 = a0 + (b0 - a0) * e;
      v.x1 = a1 + (b1 - a1) * e;
      if (t < 1) this.moving = setTimeout(frame, 12); else { v.x0 = b0; v.x1 = b1; }
      this.draw();
    };
    frame();
  },

  still() { clearTimeout(this.moving); },

  zoom(factor, around) {
    const v = this.view;
    let p = around;
    if (p === undefined) {
      const s = v.selected >= 0 ? v.at(v.selected) : NaN;
      p = s >= v.x0 && s <= v.x1 ? s : (v.x0 + v.x1) / 2;
    }
    const x0 = p - (p - v.x0) * factor, x1 = p + (v.x1 - p) * factor;
    if (around === undefined) this.goto(x0, x1);
    else { this.still(); v.window(x0, x1); this.draw(); }
  },

  pan(part) {
    const d = (this.view.x1 - this.view.x0) * part;
    this.goto(this.view.x0 + d, this.view.x1 + d);
  },

  axis(order) {
    const v = this.view;
    if (v.order === order) return;
    this.still();
    // Keep what is seen in sight, as far as both ways of spacing allow.
    const from = v.first(v.x0), to = Math.max(from + 1, v.first(v.x1) - 1), all = v.x0 <= 0 && v.x1 >= v.limit;
    v.order = order;
    v.pointer = null;
    if (all || !this.run.count) v.fit();
    else if (order) v.window(from, to);
    else v.window(this.run.at[Math.min(from, this.run.count - 1)], this.run.at[Math.min(to, this.run.count - 1)]);
    v.density = null;
    $("by-time").setAttribute("aria-pressed", String(!order));
    $("by-order").setAttribute("aria-pressed", String(order));
    if (v.selected >= 0) this.reveal(v.selected);
    this.draw();
  },

  reveal(i) {
    const v = this.view, p = v.at(i), w = v.x1 - v.x0;
    if (p < v.x0 + w * 0.03 || p > v.x1 - w * 0.03) this.goto(p - w / 2, p + w / 2);
    const d = $("diagram"), y = v.laneY[this.run.lane[i]];
    if (y > -1e8 && (y < v.headHeight() || y > v.height)) d.scrollTop += y - v.height / 2;
  },

  // closeIn shows a record with those around it.
  closeIn(i) {
    if (i < 0 || i >= this.run.count) return;
    const v = this.view, before = Math.max(0, i - 90), after = Math.min(this.run.count - 1, i + 40);
    const w = Math.max(v.least, v.at(after) - v.at(before));
    this.select(i);
    this.goto(v.at(before) - w * 0.05, v.at(before) + w * 1.08);
  },

  // Selecting.

  nextShown(i, by) {
    for (let j = i + by; j >= 0 && j < this.run.count; j += by) if (this.view.shown[j]) return j;
    return -1;
  },

  // origin is where stepping begins: the selection, or the window's edge.
  origin(by) {
    const v = this.view;
    if (v.selected >= 0) return v.selected;
    return by > 0 ? v.first(v.x0) - 1 : v.first(v.x1);
  },

  step(by) { this.select(this.nextShown(this.origin(by), by)); },

  stepTo(by, kinds) {
    const wanted = new Set(kinds.map((k) => K[k])), r = this.run;
    for (let j = this.origin(by) + by; j >= 0 && j < r.count; j += by) {
      if (!wanted.has(r.kind[j]) || !this.view.laneOn[r.lane[j]]) continue;
      // How the links are at the start is no fault.
      if (r.kind[j] === K.fault && !r.at[j] && r.strings[r.text[j]].startsWith("link to ")) continue;
      this.select(j);
      return;
    }
    this.say("there is no further one");
  },

  stepTask(by) {
    const r = this.run, s = this.view.selected;
    if (s < 0 || !r.taskid[s]) { this.say("no task is selected"); return; }
    for (let j = s + by; j >= 0 && j < r.count; j += by) {
      if (r.taskid[j] === r.taskid[s] && r.kind[j] === K.pick) { this.select(j); return; }
    }
    this.say("the task has no further step");
  },

  stepLane(by) {
    const v = this.view, r = this.run;
    if (v.selected < 0) { this.step(by); return; }
    const place = v.visible.indexOf(r.lane[v.selected]) + by, lane = v.visible[place];
    if (lane === undefined) return;
    for (let d = 1; d < r.count; d++) {
      for (const j of [v.selected + d, v.selected - d]) {
        if (j >= 0 && j < r.count && v.shown[j] && r.lane[j] === lane) { this.select(j); return; }
      }
    }
  },

  toFailure() {
    if (!this.run.failure) { this.say("every property held"); return; }
    this.closeIn(this.run.failIndex);
    this.tab("failure");
  },

  select(i) {
    if (i < 0 || i >= this.run.count) { this.say("there is no further event"); return; }
    this.view.selected = i;
    this.view.pointer = null;
    this.reveal(i);
    this.showEvent();
    this.tab("event");
    const r = this.run;
    this.say(`event ${r.event[i]}, ${seconds(r.at[i])}, ${r.kinds[r.kind[i]]} ${owner(r, i)}: ${summary(r, i)}`);
    try { history.replaceState(null, "", "#event=" + r.event[i]); } catch (_) { /* not from every place */ }
    this.draw(true);
  },

  escape() {
    document.querySelectorAll("details.menu[open]").forEach((d) => d.removeAttribute("open"));
    this.view.selected = -1;
    this.showEvent();
    this.draw(true);
  },

  say(text) { $("live").textContent = text; },

  // The panel.

  tab(which) {
    for (const t of ["event", "failure", "faults", "run"]) {
      const on = t === which;
      $("tab-" + t).setAttribute("aria-selected", String(on));
      $("tab-" + t).tabIndex = on ? 0 : -1;
      $("p-" + t).hidden = !on;
    }
  },

  link(i, text) {
    return i >= 0 ? make("button", { type: "button", class: "link", onclick: () => this.select(i) }, text) : text;
  },

  showEvent() {
    const p = $("p-event"), r = this.run, i = this.view.selected;
    if (i < 0) {
      p.replaceChildren(make("p", { class: "hint" }, "Select an event: click one, or press ", make("kbd", null, "j"), ". Press ", make("kbd", null, "?"), " for all keys."), this.legend());
      return;
    }
    const kind = r.kinds[r.kind[i]], message = r.kind[i] === K.deliver || r.kind[i] === K.drop;
    const rows = [["Time", seconds(r.at[i])], ["Event", `${thousands(r.event[i])}  (decision ${thousands(r.decision[i])})`]];
    if (message && r.peer[i]) {
      const s = sender(r, i);
      rows.push(["From", name(r, r.peer[i])], ["To", owner(r, i)], ["Sent", this.link(s, seconds(r.at[i] - r.took[i]))], ["Under way", lasting(r.took[i])]);
    } else rows.push(["Machine", owner(r, i)]);
    if (r.taskid[i]) rows.push(["Task", make("span", null, `${name(r, r.task[i])} #${r.taskid[i]}  `, make("button", { type: "button", class: "mini", title: "Its previous step ([)", "aria-label": "Previous step of the task", onclick: () => this.stepTask(-1) }, "◀"), make("button", { type: "button", class: "mini", title: "Its next step (])", "aria-label": "Next step of the task", onclick: () => this.stepTask(1) }, "▶"))]);
    if (r.kind[i] === K.pick) { const c = cause(r, i); rows.push(["Ready by", this.link(c.at, c.text)]); }
    if (["rand", "timer", "machine"].includes(kind)) rows.push(["Values", make("code", null, `${word(r.a, i)}  ${argB(r, i)}`)]);
    const dl = make("dl");
    for (const [k, v] of rows) dl.append(make("dt", null, k), make("dd", null, v));
    p.replaceChildren(
      make("h2", null, make("span", { class: "kind k-" + kind }, kind), message && r.peer[i] ? `${name(r, r.peer[i])} → ${owner(r, i)}` : owner(r, i)),
      make("pre", null, r.strings[r.text[i]] || summary(r, i)), dl,
      make("h3", null, "Around it"), this.around(i));
  },

  // around is the list of the shown events before and after one.
  around(i) {
    const r = this.run, list = [i];
    for (let j = i, n = 0; n < 12 && (j = this.nextShown(j, -1)) >= 0; n++) list.unshift(j);
    for (let j = i, n = 0; n < 12 && (j = this.nextShown(j, 1)) >= 0; n++) list.push(j);
    return make("ol", { class: "around" }, ...list.map((j) => make("li", null, make("button", { type: "button", "aria-current": j === i ? "true" : null, onclick: () => this.select(j) },
      make("time", null, this.offset(r.at[j] - r.at[i])), make("i", { class: "dot k-" + r.kinds[r.kind[j]] }), make("b", { style: `color:${this.view.color(r.lane[j])}` }, owner(r, j)), make("span", null, summary(r, j))))));
  },

  offset(d) { return d === 0 ? "0" : (d < 0 ? "−" : "+") + lasting(Math.abs(d)); },

  legend() {
    const row = (cls, text) => make("li", null, make("i", { class: "dot k-" + cls }), text);
    return make("ul", { class: "legend" }, row("deliver", "arrow: a message, from sending to arrival"), row("drop", "broken arrow: a message that was lost"), row("pick", "tick above the lane: a task runs"), row("timer", "tick below: a timer fires"), row("log", "dot: a log line"), row("note", "diamond: a note of the scenario"), row("fault", "triangle: a fault"), row("crash", "square: a crash; shaded until the restart"));
  },

  lines(title, list) {
    if (!list || !list.length) return [];
    return [make("h3", null, title), make("ol", { class: "lines" }, ...list.map((l) => make("li", null, l)))];
  },

  failureTab() {
    const f = this.run.failure;
    $("tab-failure").hidden = !f;
    if (!f) return;
    const dl = make("dl", null, make("dt", null, "It saw"), make("dd", null, f.saw), make("dt", null, "When"), make("dd", null, this.link(this.run.failIndex, `event ${thousands(f.event)}, ${seconds(f.at_ns)}`)));
    if (this.run.again) dl.append(make("dt", null, "Again"), make("dd", null, make("code", null, this.run.again)));
    $("p-failure").append(make("h2", { class: "bad" }, f.property), dl, ...this.lines("Who waits on what", f.waiting), ...this.lines("Faults that lasted", f.active), ...this.lines("Machines", f.places), ...this.lines("Left behind", f.leaks), ...this.lines("Stack", f.stack));
  },

  faultsTab() {
    const r = this.run, once = [], starts = new Set(r.spans.map((s) => s.index));
    for (const i of r.marks) {
      const k = r.kind[i];
      if (k === K.clock || (k === K.fault && !starts.has(i) && !/^(heal|release|cut|hold) |^partition \d/.test(r.strings[r.text[i]]) && once.length < 2000)) once.push(i);
    }
    $("tab-faults").textContent = r.spans.length ? `Faults ${r.spans.length}` : "Faults";
    const p = $("p-faults");
    if (!r.spans.length && !once.length) { p.append(make("p", { class: "hint" }, "There were no faults.")); return; }
    if (r.spans.length) p.append(make("h3", null, "Those that last"), make("ol", { class: "around" }, ...r.spans.map((s) => make("li", null, make("button", { type: "button", onclick: () => { const a = this.view.spanFrom(s), b = this.view.spanTo(s), w = Math.max(b - a, this.view.least); this.goto(a - w * 0.15, a + w * 1.15); } },
      make("time", null, seconds(s.from_ns)), make("i", { class: "dot k-" + (s.what === "down" ? "crash" : s.groups ? "part" : "fault") }), make("span", null, `${s.text}, ${s.open ? "to the end" : "for " + lasting(s.to_ns - s.from_ns)}`))))));
    const list = (title, items) => {
      if (!items.length) return;
      p.append(make("details", { open: items.length < 40 && title !== "Links" }, make("summary", { class: "plain" }, `${title} (${items.length})`), make("ol", { class: "around" }, ...items.map((i) => make("li", null, make("button", { type: "button", onclick: () => this.select(i) }, make("time", null, seconds(r.at[i])), make("i", { class: "dot k-fault" }), make("b", null, owner(r, i)), make("span", null, summary(r, i))))))));
    };
    const link = (i) => r.strings[r.text[i]].startsWith("link to ");
    list("At one instant", once.filter((i) => !link(i)));
    list("Links", once.filter(link));
  },

  runTab() {
    const r = this.run, dl = make("dl");
    const rows = [["Scenario", r.scenario], ["Seed", r.seed], ["Strategy", r.strategy], ["Trace", make("code", null, r.hash)], ["Simulated", seconds(r.simulated)], ["Events", thousands(r.events)], ["Version", r.version], ["Again", r.again ? make("code", null, r.again) : ""]];
    for (const [k, v] of rows) if (v) dl.append(make("dt", null, k), make("dd", null, v));
    $("p-run").append(dl, ...this.lines("Parameters", r.params), ...this.lines("Facts", r.facts));
    if (r.plan && r.plan.length) $("p-run").append(make("h3", null, "Plan"), make("pre", { class: "plan" }, r.plan.join("\n")));
  },

  // Searching.

  search(go) {
    const q = $("query").value.trim().toLowerCase(), r = this.run, v = this.view;
    this.filterCount = (this.filterCount || 0) + 1;
    if (!q) { v.matches = null; $("count").textContent = ""; this.draw(); return; }
    const hit = Uint8Array.from(r.strings, (s) => (s.toLowerCase().includes(q) ? 1 : 0));
    const kinds = Uint8Array.from(r.kinds, (k) => (k === q ? 1 : 0)), number = /^#?\d+$/.test(q) ? Number(q.replace("#", "")) : -1;
    const out = [];
    let hidden = 0;
    for (let i = 0; i < r.count; i++) {
      if (!(hit[r.text[i]] || hit[r.machine[i]] || hit[r.task[i]] || hit[r.peer[i]] || kinds[r.kind[i]] || r.event[i] === number || r.taskid[i] === number)) continue;
      if (v.shown[i]) out.push(i); else hidden++;
    }
    v.matches = Uint32Array.from(out);
    this.hidden = hidden;
    this.counted();
    if (go && out.length) this.match(1, true);
    this.draw();
  },

  counted() {
    const m = this.view.matches;
    if (!m) return;
    const k = lowerBound(m, this.view.selected), on = this.view.selected >= 0 && m[k] === this.view.selected;
    $("count").textContent = (on ? `${thousands(k + 1)} of ` : "") + thousands(m.length) + (this.hidden ? ` (+${thousands(this.hidden)} hidden)` : "");
  },

  match(by, stay) {
    const m = this.view.matches;
    if (!m || !m.length) { this.say("no match"); return; }
    const s = this.origin(by);
    let k = by > 0 ? lowerBound(m, stay ? s : s + 1) : lowerBound(m, s) - 1;
    if (k >= m.length) k = 0;
    if (k < 0) k = m.length - 1;
    this.select(m[k]);
    this.counted();
  },

  // Events of the browser.

  wire() {
    const on = (id, f) => $(id).addEventListener("click", f);
    on("prev", () => this.step(-1)); on("next", () => this.step(1));
    on("in", () => this.zoom(1 / 1.6)); on("out", () => this.zoom(1.6)); on("fit", () => this.goto(-Infinity, Infinity));
    on("by-time", () => this.axis(false)); on("by-order", () => this.axis(true));
    on("fail", () => this.toFailure()); on("help", () => $("keys").showModal());
    on("match-next", () => this.match(1)); on("match-prev", () => this.match(-1));
    const tabs = ["event", "failure", "faults", "run"].filter((t) => t !== "failure" || this.run.failure);
    tabs.forEach((t, k) => {
      on("tab-" + t, () => this.tab(t));
      $("tab-" + t).addEventListener("keydown", (e) => {
        const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
        if (!by) return;
        const to = tabs[(k + by + tabs.length) % tabs.length];
        this.tab(to);
        $("tab-" + to).focus();
        e.preventDefault();
        e.stopPropagation();
      });
    });
    $("keys-list").append(make("dl", null, ...KEYS.flatMap(([k, text]) => [make("dt", null, ...k.split("  ").map((x) => make("kbd", null, x))), make("dd", null, text)])));
    $("query").addEventListener("input", () => {
      clearTimeout(this.waiting);
      this.waiting = setTimeout(() => { this.waiting = 0; this.search(true); }, 120);
    });
    $("query").addEventListener("keydown", (e) => {
      if (e.key === "Enter") { clearTimeout(this.waiting); this.waiting = 0; this.search(false); this.match(e.shiftKey ? -1 : 1); }
      if (e.key === "Escape") { $("query").value = ""; this.search(false); $("diagram").focus(); }
      e.stopPropagation();
    });
    document.addEventListener("keydown", (e) => this.key(e));
    document.addEventListener("pointerdown", (e) => document.querySelectorAll("details.menu[open]").forEach((d) => { if (!d.contains(e.target)) d.removeAttribute("open"); }));
    document.querySelectorAll("details.menu").forEach((d) => d.addEventListener("toggle", () => { if (d.open) document.querySelectorAll("details.menu[open]").forEach((o) => { if (o !== d) o.removeAttribute("open"); }); }));
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => { this.theme(); this.showEvent(); });
    new ResizeObserver(() => this.resize()).observe($("diagram"));
    this.pointers();
    this.brush();
  },

  key(e) {
    if (e.ctrlKey || e.metaKey || e.altKey || $("keys").open) return;
    const t = e.target, typing = t.tagName === "INPUT" && t.type !== "checkbox";
    if (typing || ((t.tagName === "BUTTON" || t.tagName === "SUMMARY" || t.type === "checkbox") && (e.key === "Enter" || e.key === " "))) return;
    const names = { ArrowRight: "→", ArrowLeft: "←", ArrowUp: "↑", ArrowDown: "↓", Escape: "Esc", "-": "−", "=": "+" };
    const key = names[e.key] || e.key;
    // A list that scrolls keeps its arrows.
    if ((key === "↑" || key === "↓") && t.closest && t.closest(".side")) return;
    const found = KEYS.find(([keys]) => keys.split("  ").includes(key));
    if (!found) return;
    e.preventDefault();
    found[2](e);
    this.counted();
  },

  pointers() {
    const d = $("diagram"), v = this.view, down = new Map();
    let moved = 0, pinch = 0;
    const place = (e) => { const b = d.getBoundingClientRect(); return { x: e.clientX - b.left, y: e.clientY - b.top }; };
    d.addEventListener("wheel", (e) => {
      e.preventDefault();
      const unit = e.deltaMode === 1 ? 16 : 1, dx = (e.shiftKey ? e.deltaY : e.deltaX) * unit, dy = e.shiftKey ? 0 : e.deltaY * unit, p = place(e);
      if (p.x < v.gutter) { d.scrollTop += dy; return; }
      if (Math.abs(dx) > Math.abs(dy)) { const w = (dx * (v.x1 - v.x0)) / (v.width - v.gutter); this.still(); v.window(v.x0 + w, v.x1 + w); this.draw(); } else this.zoom(Math.exp(Math.max(-60, Math.min(60, dy)) * (e.ctrlKey ? 0.01 : 0.003)), v.pos(p.x));
    }, { passive: false });
    d.addEventListener("pointerdown", (e) => {
      if (e.button) return;
      down.set(e.pointerId, place(e));
      moved = 0;
      this.still();
    });
    d.addEventListener("pointermove", (e) => {
      const p = place(e), before = down.get(e.pointerId);
      if (!before) { this.hover(p, e); return; }
      if (down.size === 2) {
        down.set(e.pointerId, p);
        const [a, b] = [...down.values()], now = Math.max(20, Math.abs(a.x - b.x));
        if (pinch) this.zoom(pinch / now, v.pos((a.x + b.x) / 2));
        pinch = now;
        moved = 99;
        return;
      }
      moved += Math.abs(p.x - before.x) + Math.abs(p.y - before.y);
      if (moved < 4) return;
      if (!d.hasPointerCapture(e.pointerId)) d.setPointerCapture(e.pointerId);
      const w = ((before.x - p.x) * (v.x1 - v.x0)) / (v.width - v.gutter);
      d.scrollTop += before.y - p.y;
      v.window(v.x0 + w, v.x1 + w);
      down.set(e.pointerId, p);
      this.leave();
      this.draw();
    });
    const up = (e) => {
      const was = down.delete(e.pointerId);
      pinch = 0;
      if (!was || moved >= 4 || e.type === "pointercancel") return;
      const p = place(e), i = v.hit(p.x, p.y);
      if (i >= 0) { this.select(i); this.counted(); }
    };
    d.addEventListener("pointerup", up);
    d.addEventListener("pointercancel", up);
    d.addEventListener("pointerleave", () => this.leave());
    d.addEventListener("dblclick", (e) => this.zoom(1 / 3, v.pos(place(e).x)));
    d.addEventListener("scroll", () => { v.scroll = d.scrollTop; this.draw(); });
  },

  hover(p, e) {
    const v = this.view, r = this.run, tip = $("tip");
    if (p.x < v.gutter) { this.leave(); return; }
    v.pointer = v.pos(p.x);
    v.hovered = v.hit(p.x, p.y);
    $("diagram").style.cursor = v.hovered >= 0 ? "pointer" : "";
    tip.hidden = v.hovered < 0;
    if (v.hovered >= 0) {
      const i = v.hovered, message = r.peer[i] && (r.kind[i] === K.deliver || r.kind[i] === K.drop);
      tip.replaceChildren(make("b", null, `${r.kinds[r.kind[i]]}  ${message ? name(r, r.peer[i]) + " → " : ""}${owner(r, i)}`), make("span", null, summary(r, i)), make("small", null, `${seconds(r.at[i])}  ·  event ${r.event[i]}${message ? "  ·  under way " + lasting(r.took[i]) : ""}`));
      const box = document.querySelector(".stage").getBoundingClientRect(), left = e.clientX - box.left, top = e.clientY - box.top;
      tip.style.left = Math.max(6, Math.min(left + 14, box.width - tip.offsetWidth - 8)) + "px";
      tip.style.top = (top + 18 + tip.offsetHeight > box.height ? top - tip.offsetHeight - 12 : top + 18) + "px";
    }
    this.draw(true);
  },

  leave() {
    $("tip").hidden = true;
    if (this.view.pointer === null && this.view.hovered < 0) return;
    this.view.pointer = null;
    this.view.hovered = -1;
    this.draw(true);
  },

  // brush moves the window by the strip of the whole run.
  brush() {
    const o = $("over"), v = this.view;
    let grab = null;
    const pos = (e) => ((e.clientX - o.getBoundingClientRect().left - v.gutter) / (o.clientWidth - v.gutter - 8)) * v.limit;
    const move = (e) => { const w = v.x1 - v.x0, p = pos(e) - grab; this.still(); v.window(p, p + w); this.draw(); };
    o.addEventListener("pointerdown", (e) => {
      const p = pos(e);
      grab = p >= v.x0 && p <= v.x1 ? p - v.x0 : (v.x1 - v.x0) / 2;
      o.setPointerCapture(e.pointerId);
      move(e);
    });
    o.addEventListener("pointermove", (e) => { if (grab !== null) move(e); });
    for (const t of ["pointerup", "pointercancel"]) o.addEventListener(t, () => { grab = null; });
    o.addEventListener("wheel", (e) => { e.preventDefault(); this.zoom(Math.exp(e.deltaY * 0.003), pos(e)); }, { passive: false });
  },
};

function sized(canvas, width, height, ratio) {
  canvas.width = Math.max(1, Math.round(width * ratio));
  canvas.height = Math.max(1, Math.round(height * ratio));
  canvas.style.width = canvas.id === "over" || canvas.closest(".gauge") ? "" : width + "px";
  canvas.style.height = canvas.id === "over" || canvas.closest(".gauge") ? "" : height + "px";
  canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
}

load($("data").textContent).then((run) => {
  $("data").remove();
  ui.start(run);
  window.simview = ui;
  document.body.classList.add("ready");
}).catch((err) => {
  console.error(err);
  $("title").textContent = "The run cannot be shown";
  $("meta").textContent = String(err);
});
