// draw.js: paints the visible window. Positions are instants in nanoseconds or,
// in the order of events, numbers of records; "x" is pixels of the sheet.

const HUES = [212, 172, 268, 132, 192, 242, 92, 300, 152, 330, 226, 66];
const AXIS = 26, BAND = 17, MANY_MARKS = 9000;

class View {
  constructor(run) {
    this.run = run;
    this.order = false;
    this.x0 = 0;
    this.x1 = 1;
    this.selected = -1;
    this.hovered = -1;
    this.pointer = null; // position under the pointer
    this.scroll = 0;
    this.kindOn = new Uint8Array(run.kinds.length).fill(1);
    for (const k of ["rand", "ignored"]) this.kindOn[K[k]] = 0;
    this.laneOn = Uint8Array.from(run.lanes, (l) => (l.own || (l.world && l.count) ? 1 : 0));
    this.matches = null;
    this.arrows = [];
    this.frames = 0;
    this.frameTime = 0;
    this.slowest = 0;
    this.rows = bandRows(run);
    this.groups = gaugeGroups(run);
    this.filtered();
  }

  // filtered is to be called after a change of what is shown.
  filtered() {
    const run = this.run, n = run.count;
    this.shown = new Uint8Array(n);
    for (let i = 0; i < n; i++) this.shown[i] = this.kindOn[run.kind[i]] & this.laneOn[run.lane[i]];
    this.visible = run.lanes.map((_, i) => i).filter((i) => this.laneOn[i]);
    this.density = null;
  }

  get limit() { return this.order ? Math.max(this.run.count - 1, 1) : this.run.end; }
  get least() { return this.order ? 6 : 40; }
  at(i) { return this.order ? i : this.run.at[i]; }
  sent(i) {
    if (!this.order) return this.run.at[i] - this.run.took[i];
    const s = sender(this.run, i);
    return s >= 0 ? s : Math.min(i, lowerBound(this.run.at, this.run.at[i] - this.run.took[i] + 0.5));
  }
  ofTime(t) { return this.order ? lowerBound(this.run.at, t) : t; }
  // first is the first record at or after a position.
  first(pos) { return this.order ? Math.min(this.run.count, Math.max(0, Math.ceil(pos))) : lowerBound(this.run.at, pos); }
  x(pos) { return this.gutter + ((pos - this.x0) * (this.width - this.gutter)) / (this.x1 - this.x0); }
  pos(x) { return this.x0 + ((x - this.gutter) * (this.x1 - this.x0)) / (this.width - this.gutter); }

  // window moves to [x0, x1], within bounds.
  window(x0, x1) {
    const pad = this.limit * 0.02, most = this.limit + 2 * pad;
    const width = Math.min(Math.max(x1 - x0, this.least), Math.max(most, this.least));
    const middle = (x0 + x1) / 2;
    this.x0 = Math.min(Math.max(middle - width / 2, -pad), Math.max(-pad, this.limit + pad - width));
    this.x1 = this.x0 + width;
  }

  fit() { this.window(-Infinity, Infinity); this.window(-this.limit * 0.02, this.limit * 1.02); }

  resize(width, height, narrow) {
    this.width = width;
    this.height = height;
    this.gutter = narrow ? 66 : 112;
    this.density = null;
  }

  // layout places the lanes.
  layout() {
    // Lanes that are no machine of the scenario's are low.
    const weight = (lane) => (this.run.lanes[lane].own ? 1 : 0.62);
    const all = this.visible.reduce((sum, lane) => sum + weight(lane), 0) || 1;
    const unit = Math.min(150, Math.max(36, (this.height - this.headHeight() - 6) / all));
    this.laneY = new Float64Array(this.run.lanes.length).fill(-1e9);
    this.laneH = new Float64Array(this.run.lanes.length);
    let y = this.headHeight() - this.scroll;
    for (const lane of this.visible) {
      const h = (this.laneH[lane] = Math.max(26, unit * weight(lane)));
      this.laneY[lane] = y + h / 2;
      y += h;
    }
    this.content = y + this.scroll + 6;
  }

  headHeight() { return AXIS + (this.rows.count ? this.rows.count * BAND + 5 : 0) + 6; }

  color(lane, alpha = 1) {
    const l = this.run.lanes[lane];
    if (!l || !l.own) return `hsla(220, 8%, ${this.dark ? 62 : 46}%, ${alpha})`;
    const h = HUES[(lane - 1) % HUES.length];
    return `hsla(${h}, ${this.dark ? 48 : 52}%, ${this.dark ? 66 : h > 40 && h < 100 ? 31 : 41}%, ${alpha})`;
  }

  // paint draws everything but what follows the pointer.
  paint(c) {
    const begun = performance.now();
    this.layout();
    c.clearRect(0, 0, this.width, this.height);
    this.lanes(c);
    this.grid(c);
    c.save();
    c.beginPath();
    c.rect(this.gutter, this.headHeight(), this.width - this.gutter, this.height);
    c.clip();
    this.faults(c);
    this.traffic(c);
    this.steps(c);
    this.names(c);
    this.marks(c);
    c.restore();
    this.axis(c);
    this.bands(c);
    this.failure(c);
    this.labels(c);
    this.frameTime = performance.now() - begun;
    this.slowest = Math.max(this.slowest, this.frameTime);
    this.frames++;
  }

  lanes(c) {
    c.strokeStyle = this.ink.line;
    c.lineWidth = 1;
    this.visible.forEach((lane, i) => {
      const y = this.laneY[lane];
      if (i % 2) {
        c.fillStyle = this.ink.stripe;
        c.fillRect(0, y - this.laneH[lane] / 2, this.width, this.laneH[lane]);
      }
      c.beginPath();
      c.moveTo(this.gutter, Math.round(y) + 0.5);
      c.lineTo(this.width, Math.round(y) + 0.5);
      c.stroke();
    });
  }

  grid(c) {
    c.strokeStyle = this.ink.grid;
    c.beginPath();
    for (const t of this.ticks()) {
      const x = Math.round(this.x(t.pos)) + 0.5;
      c.moveTo(x, this.headHeight() - 6);
      c.lineTo(x, this.height);
    }
    c.stroke();
  }

  labels(c) {
    const top = this.headHeight();
    c.save();
    c.fillStyle = this.ink.panel;
    c.fillRect(0, 0, this.gutter, this.height);
    c.beginPath();
    c.rect(0, top, this.gutter, this.height);
    c.clip();
    for (const lane of this.visible) {
      const l = this.run.lanes[lane], y = this.laneY[lane];
      c.fillStyle = this.color(lane);
      c.fillRect(0, y - this.laneH[lane] / 2 + 3, 3, this.laneH[lane] - 6);
      c.fillStyle = l.own ? this.ink.text : this.ink.muted;
      c.font = (l.own ? "600 12.5px " : "12px ") + this.ink.font;
      c.textBaseline = "middle";
      c.fillText(clip(c, l.name, this.gutter - 16), 11, y);
    }
    c.restore();
    c.strokeStyle = this.ink.line;
    c.beginPath();
    c.moveTo(this.gutter - 0.5, 0);
    c.lineTo(this.gutter - 0.5, this.height);
    c.stroke();
  }

  axis(c) {
    c.fillStyle = this.ink.panel;
    c.fillRect(0, 0, this.width, this.headHeight() - 6);
    c.font = "11px " + this.ink.font;
    c.textBaseline = "middle";
    for (const t of this.ticks()) {
      const x = Math.round(this.x(t.pos)) + 0.5;
      c.strokeStyle = this.ink.line;
      c.beginPath();
      c.moveTo(x, AXIS - 6);
      c.lineTo(x, AXIS);
      c.stroke();
      c.fillStyle = this.ink.muted;
      const w = c.measureText(t.text).width;
      c.fillText(t.text, Math.min(Math.max(x - w / 2, this.gutter + 4), this.width - w - 4), AXIS / 2 - 1);
    }
    c.strokeStyle = this.ink.line;
    c.beginPath();
    c.moveTo(0, AXIS + 0.5);
    c.lineTo(this.width, AXIS + 0.5);
    c.moveTo(0, this.headHeight() - 5.5);
    c.lineTo(this.width, this.headHeight() - 5.5);
    c.stroke();
  }

  ticks() {
    const room = (this.width - this.gutter) / (this.x1 - this.x0);
    const [unit, size, log] = this.x1 < 1e9 && !this.order ? ["ms", 1e6, 6] : ["s", 1e9, 9];
    const digits = (step) => Math.max(0, Math.min(log, log - Math.floor(Math.log10(step) + 1e-9)));
    let step = 1;
    while (step * room < (this.order ? 110 : 56 + 7 * digits(step))) step *= String(step)[0] === "2" ? 2.5 : 2;
    const out = [];
    for (let p = Math.max(0, Math.ceil(this.x0 / step) * step); p <= Math.min(this.x1, this.limit) && out.length < 100; p += step) {
      if (!this.order) out.push({ pos: p, text: (p / size).toFixed(digits(step)) + " " + unit });
      else if (p < this.run.count) out.push({ pos: p, text: "event " + thousands(this.run.event[p]) });
    }
    return out;
  }

  // bands are the faults of links, and partitions: in rows above the lanes.
  bands(c) {
    c.save();
    c.beginPath();
    c.rect(this.gutter, AXIS + 1, this.width - this.gutter, this.headHeight() - AXIS - 6);
    c.clip();
    c.font = "10.5px " + this.ink.font;
    c.textBaseline = "middle";
    this.rows.spans.forEach((s) => {
      const a = Math.max(this.gutter - 4, this.x(this.spanFrom(s))), b = Math.min(this.width + 4, this.x(this.spanTo(s)));
      if (b < this.gutter || a > this.width) return;
      const y = AXIS + 3 + s.row * BAND, w = Math.max(2, b - a);
      c.fillStyle = s.groups ? this.ink.partSoft : this.ink.faultSoft;
      c.fillRect(a, y, w, BAND - 2);
      c.fillStyle = s.groups ? this.ink.part : this.ink.fault;
      if (a >= this.gutter) c.fillRect(a, y, Math.min(2, w), BAND - 2);
      // The text may stand out to the right, up to the next one of the row.
      const room = (s.next ? Math.min(this.width, this.x(this.spanFrom(s.next))) : this.width) - Math.max(a, this.gutter) - 12;
      if (room < 30) return;
      c.fillStyle = this.ink.text;
      c.fillText(clip(c, s.text, room), Math.max(a, this.gutter) + 6, y + BAND / 2 - 0.5);
    });
    c.restore();
    if (!this.rows.count) return;
    c.fillStyle = this.ink.panel;
    c.fillRect(0, AXIS + 1, this.gutter - 1, this.headHeight() - AXIS - 7);
  }

  spanFrom(s) { return this.order ? s.index : s.from_ns; }
  spanTo(s) { return this.order ? (s.open ? this.run.count : lastOfEvent(this.run, s.event_end)) : s.to_ns; }

  // faults are shaded over the lanes.
  faults(c) {
    this.named = [];
    for (const s of this.run.spans) {
      const a = Math.max(this.gutter - 8, this.x(this.spanFrom(s))), b = Math.min(this.width + 8, this.x(this.spanTo(s)));
      if (b < this.gutter || a > this.width) continue;
      const w = Math.max(b - a, 1.5);
      if (s.groups) {
        s.groups.forEach((group, g) => {
          c.fillStyle = `hsla(${[282, 28, 190, 98][g % 4]}, 45%, 55%, ${this.dark ? 0.75 : 0.6})`;
          for (const m of group) {
            const lane = this.run.laneOfName.get(m), y = this.laneY[lane];
            if (y > -1e8) c.fillRect(a, y - this.laneH[lane] / 2 + 1, w, 3);
          }
        });
        continue;
      }
      const lane = this.run.laneOfName.get(s.machine || "");
      if (s.links || lane === undefined || this.laneY[lane] < -1e8) continue;
      const y = this.laneY[lane] - this.laneH[lane] / 2 + 4, h = this.laneH[lane] - 8;
      c.fillStyle = s.what === "down" ? this.ink.down : s.what === "paused" ? this.ink.paused : this.ink.faultSoft;
      c.fillRect(a, y, w, h);
      if (w > 5) {
        c.fillStyle = s.what === "down" ? this.hatch("down") : this.hatch("other");
        c.fillRect(a, y, w, h);
      }
      if (w > 40) this.named.push({ text: s.what, x: Math.max(a, this.gutter) + 8, y: y + 9, room: Math.min(b, this.width) - Math.max(a, this.gutter) - 10 });
    }
  }

  // names are what the shaded faults are called.
  names(c) {
    c.font = "600 10.5px " + this.ink.font;
    c.textBaseline = "middle";
    for (const n of this.named) this.written(c, clip(c, n.text, n.room), n.x, n.y);
  }

  hatch(which) {
    if (this.hatches[which]) return this.hatches[which];
    const t = document.createElement("canvas"), c = t.getContext("2d");
    t.width = t.height = 8;
    c.strokeStyle = which === "down" ? this.ink.hatchDown : this.ink.hatch;
    c.beginPath();
    for (const d of [-8, 0, 8]) { c.moveTo(d - 1, 9); c.lineTo(d + 9, -1); }
    c.stroke();
    return (this.hatches[which] = c.createPattern(t, "repeat"));
  }

  // eachMessage calls f for the messages that touch the window.
  eachMessage(f) {
    const run = this.run, m = run.messages;
    const from = lowerBound(m, this.first(this.x0));
    const lastSent = this.order ? (this.x1 >= run.count ? Infinity : run.at[Math.max(0, Math.floor(this.x1))]) : this.x1;
    for (let j = from; j < m.length; j++) {
      if (!(j & 255) && run.blocks[j >> 8] > lastSent) { j += 255; continue; }
      const i = m[j];
      if (!this.shown[i] || run.from[i] < 0 || !this.laneOn[run.from[i]] || run.at[i] - run.took[i] > lastSent) continue;
      f(i);
    }
  }

  // traffic draws messages: as arrows, or as a density when they are many.
  traffic(c) {
    let many = 0;
    this.eachMessage(() => { many++; });
    this.arrows = [];
    this.dense = many > Math.min(1500, 1.3 * (this.width - this.gutter)); // more would be a tangle
    this.messagesSeen = many;
    if (this.dense) { this.rates(c); return; }
    const heads = many < 900, alpha = many < 120 ? 0.85 : many < 700 ? 0.6 : 0.34;
    c.lineWidth = many < 120 ? 1.4 : 1.1;
    const last = this.width + 40, at = [];
    this.eachMessage((i) => at.push(i));
    for (const i of at) {
      const lost = this.run.kind[i] === K.drop;
      const a = this.arrow(i);
      if (a.x0 > last || a.x1 < this.gutter - 40) continue;
      this.arrows.push(a);
      c.strokeStyle = c.fillStyle = lost ? this.ink.lost : this.color(this.run.from[i], alpha);
      this.drawArrow(c, a, lost, heads);
    }
    if (this.arrows.length < 16) this.carried(c);
  }

  // carried writes what the messages carry, when they are few.
  carried(c) {
    c.font = "10.5px " + this.ink.font;
    c.textBaseline = "middle";
    for (const a of this.arrows) this.load(c, a);
  }

  load(c, a) {
    const from = Math.max(a.x0, this.gutter), to = Math.min(a.x1, this.width);
    const text = this.run.strings[this.run.text[a.i]], w = Math.min(190, to - from - 50);
    if (!text || w < 60) return;
    const x = (from + to) / 2, y = a.y0 + ((a.y1 - a.y0) * (x - a.x0)) / (a.x1 - a.x0 || 1), t = clip(c, text, w);
    this.written(c, t, x - c.measureText(t).width / 2, y);
  }

  // arrow is where the arrow of a message is on the sheet.
  arrow(i) {
    const run = this.run;
    const a = { i, x0: this.x(this.sent(i)), y0: this.laneY[run.from[i]], x1: this.x(this.at(i)), y1: this.laneY[run.lane[i]] };
    if (run.kind[i] === K.drop) {
      // The trace tells that it was lost, not where: half way.
      a.x1 = Math.max(a.x1, a.x0 + 9);
      a.y1 = a.y0 + (a.y1 - a.y0) * 0.5;
    }
    return a;
  }

  drawArrow(c, a, lost, head) {
    c.beginPath();
    if (a.y0 === a.y1) { // to itself
      c.moveTo(a.x0, a.y0);
      c.quadraticCurveTo((a.x0 + a.x1) / 2, a.y0 - 16, a.x1, a.y1);
    } else {
      c.moveTo(a.x0, a.y0);
      c.lineTo(a.x1, a.y1);
    }
    if (lost) c.setLineDash([4, 3]);
    c.stroke();
    if (lost) {
      c.setLineDash([]);
      c.beginPath();
      c.moveTo(a.x1 - 4, a.y1 - 4); c.lineTo(a.x1 + 4, a.y1 + 4);
      c.moveTo(a.x1 + 4, a.y1 - 4); c.lineTo(a.x1 - 4, a.y1 + 4);
      c.stroke();
    } else if (head && a.y0 !== a.y1) {
      const d = Math.atan2(a.y1 - a.y0, a.x1 - a.x0), s = 7;
      c.beginPath();
      c.moveTo(a.x1, a.y1);
      c.lineTo(a.x1 - s * Math.cos(d - 0.38), a.y1 - s * Math.sin(d - 0.38));
      c.lineTo(a.x1 - s * Math.cos(d + 0.38), a.y1 - s * Math.sin(d + 0.38));
      c.fill();
    }
  }

  // rates draws how much each lane sends (upwards) and gets (downwards), and
  // what of it is lost.
  rates(c) {
    const bins = this.bins(), most = Math.sqrt(bins.most || 1);
    for (const lane of this.visible) {
      const half = this.laneH[lane] / 2 - 7, y = this.laneY[lane], up = bins.sent[lane], down = bins.got[lane], lost = bins.lost[lane];
      const area = (list, sign, color) => {
        c.fillStyle = color;
        c.beginPath();
        for (let b = 0; b < bins.n; b++) {
          if (list[b]) c.rect(this.gutter + b * bins.w, y, bins.w, sign * (Math.sqrt(list[b]) / most) * half);
        }
        c.fill();
      };
      area(up, -1, this.color(lane, 0.72));
      area(down, 1, this.color(lane, 0.36));
      area(lost, -1, this.ink.lost);
    }
  }

  // bins counts per lane and two pixels; the last answer is kept.
  bins() {
    const key = [this.x0, this.x1, this.width, this.order].join();
    if (this.density && this.density.key === key) return this.density;
    const run = this.run, w = 2, n = Math.ceil((this.width - this.gutter) / w);
    const make = () => run.lanes.map(() => new Float64Array(n));
    const d = { key, w, n, sent: make(), got: make(), lost: make(), steps: make(), most: 0, mostSteps: 0 };
    const scale = n / (this.x1 - this.x0);
    const count = (list, pos) => {
      const b = Math.floor((pos - this.x0) * scale);
      return b >= 0 && b < n ? ++list[b] : 0;
    };
    this.eachMessage((i) => {
      const from = run.from[i];
      const sent = this.order ? this.ofTime(run.at[i] - run.took[i]) : run.at[i] - run.took[i];
      d.most = Math.max(d.most, count(d.sent[from], sent));
      if (run.kind[i] === K.drop) count(d.lost[from], sent);
      else d.most = Math.max(d.most, count(d.got[run.lane[i]], this.at(i)));
    });
    for (let i = this.first(this.x0), end = this.first(this.x1); i < end; i++) {
      if (this.shown[i]) d.mostSteps = Math.max(d.mostSteps, count(d.steps[run.lane[i]], this.at(i)));
    }
    return (this.density = d);
  }

  // steps are small ticks: what tasks and timers do.
  steps(c) {
    const run = this.run, from = this.first(this.x0), to = Math.min(run.count, this.first(this.x1) + 1);
    this.from = from;
    this.to = to;
    if (this.dense || to - from > MANY_MARKS) {
      this.coarse = true;
      if (this.dense) return;
      const d = this.bins(), most = Math.sqrt(d.mostSteps || 1);
      for (const lane of this.visible) {
        c.fillStyle = this.color(lane, 0.28);
        const y = this.laneY[lane];
        for (let b = 0; b < d.n; b++) {
          if (!d.steps[lane][b]) continue;
          const h = Math.max(1, (Math.sqrt(d.steps[lane][b]) / most) * (this.laneH[lane] / 2 - 9));
          c.fillRect(this.gutter + b * d.w, y - h, d.w, h);
        }
      }
      return;
    }
    this.coarse = false;
    const lines = new Map();
    const tick = (style, x, y0, y1) => {
      let list = lines.get(style);
      if (!list) lines.set(style, (list = []));
      list.push(x, y0, y1);
    };
    for (let i = from; i < to; i++) {
      if (!this.shown[i]) continue;
      const y = this.laneY[run.lane[i]], x = this.x(this.at(i));
      switch (run.kind[i]) {
        case K.pick: tick(this.color(run.lane[i], 0.9), x, y - 6, y); break;
        case K.timer: case K.world: tick(this.ink.muted, x, y, y + 6); break;
        case K.spawn: tick(this.color(run.lane[i], 0.9), x, y - 9, y - 7); break;
        case K.end: case K.unwind: tick(this.ink.muted, x, y - 9, y - 7); break;
        case K.rand: case K.ignored: tick(this.ink.line, x, y + 7, y + 9); break;
        case K.deliver: tick(this.color(run.lane[i], 0.9), x, y - 2, y + 2); break;
      }
    }
    c.lineWidth = 1.3;
    for (const [style, list] of lines) {
      c.strokeStyle = style;
      c.beginPath();
      for (let j = 0; j < list.length; j += 3) { c.moveTo(list[j], list[j + 1]); c.lineTo(list[j], list[j + 2]); }
      c.stroke();
    }
  }

  // marks are log lines, notes and faults; those that would lie on one another
  // are left out, and a text stands where there is room for it.
  marks(c) {
    const run = this.run, m = run.marks, end = lowerBound(m, this.to);
    const last = run.lanes.map(() => new Map()), texts = run.lanes.map(() => null);
    c.font = "11px " + this.ink.font;
    c.textBaseline = "alphabetic";
    const label = (t, next) => {
      const room = Math.min(next - t.x - 14, 420);
      if (room < 44) return;
      // Beside the mark where a lane is low.
      const y = this.laneY[run.lane[t.i]], low = this.laneH[run.lane[t.i]] < 48;
      this.written(c, clip(c, summary(run, t.i), room), t.x + (low && t.world ? 10 : 7), y + (low && t.world ? 4 : -10));
    };
    for (let j = lowerBound(m, this.from); j < end; j++) {
      const i = m[j], lane = run.lane[i], kind = run.kind[i];
      if (!this.shown[i]) continue;
      const x = this.x(this.at(i)), key = kind === K.log ? kind + 100 * run.level[run.text[i]] : kind;
      const before = last[lane].get(key);
      if (before !== undefined && x - before < 4) continue;
      last[lane].set(key, x);
      // Far out, log lines are a row of dots below the traffic.
      const far = this.coarse && kind === K.log;
      this.mark(c, i, x, this.laneY[lane] + (far ? this.laneH[lane] / 2 - 5 : 0), far);
      if (this.coarse && lane !== 0) continue;
      if (texts[lane]) label(texts[lane], x);
      texts[lane] = run.begins.has(i) ? null : { i, x, world: run.lanes[lane].world };
    }
    for (const t of texts) if (t) label(t, this.width);
  }

  // written is a text that can be read over lines.
  written(c, text, x, y) {
    c.lineWidth = 3;
    c.lineJoin = "round";
    c.strokeStyle = this.ink.bg;
    c.strokeText(text, x, y);
    c.fillStyle = this.ink.soft;
    c.fillText(text, x, y);
  }

  mark(c, i, x, y, small) {
    const run = this.run, k = run.kind[i];
    c.lineWidth = 1;
    c.strokeStyle = this.ink.bg;
    c.beginPath();
    if (k === K.log) {
      const level = run.level[run.text[i]];
      c.fillStyle = [this.ink.log, this.ink.fault, this.ink.lost][level];
      c.arc(x, y, small ? (level ? 2.2 : 1.6) : level ? 4 : 3.2, 0, 7);
      c.fill();
      if (small) return;
    } else if (k === K.note) {
      c.fillStyle = this.ink.note;
      c.moveTo(x, y - 5); c.lineTo(x + 5, y); c.lineTo(x, y + 5); c.lineTo(x - 5, y); c.closePath();
    } else if (k === K.crash) {
      c.fillStyle = this.ink.lost;
      c.rect(x - 5, y - 5, 10, 10);
    } else if (k === K.restart || k === K.resume) {
      c.fillStyle = this.ink.good;
      c.moveTo(x - 4, y - 5); c.lineTo(x + 6, y); c.lineTo(x - 4, y + 5); c.closePath();
    } else if (k === K.pause) {
      c.fillStyle = this.ink.fault;
      c.rect(x - 4, y - 5, 3, 10); c.rect(x + 1, y - 5, 3, 10);
    } else {
      c.fillStyle = this.ink.fault;
      c.moveTo(x, y - 6); c.lineTo(x + 6, y + 5); c.lineTo(x - 6, y + 5); c.closePath();
    }
    c.fill();
    c.stroke();
  }

  // failure is the instant at which the property was seen violated.
  failure(c) {
    const f = this.run.failure;
    if (!f) return;
    const x = this.x(this.order ? this.run.failIndex : f.at_ns);
    if (x < this.gutter - 90 || x > this.width + 90) return;
    c.save();
    c.beginPath();
    c.rect(this.gutter, 0, this.width - this.gutter, this.height);
    c.clip();
    c.fillStyle = this.ink.failSoft;
    c.fillRect(x - 6, 0, 12, this.height);
    c.fillStyle = this.ink.lost;
    c.fillRect(x - 1, 0, 2, this.height);
    c.font = "600 11px " + this.ink.font;
    const text = clip(c, f.property, Math.max(60, Math.min(360, this.width - this.gutter - 40))), w = c.measureText(text).width + 16;
    const left = x + w > this.width ? x - w + 1 : x - 1;
    c.beginPath();
    c.roundRect(left, 3, w, 19, 3);
    c.fill();
    c.fillStyle = this.ink.onFail;
    c.textBaseline = "middle";
    c.fillText(text, left + 8, 13);
    c.restore();
  }

  // follow draws what follows the pointer and the selection.
  follow(c) {
    c.clearRect(0, 0, this.width, this.height);
    c.save();
    c.beginPath();
    c.rect(this.gutter, AXIS, this.width - this.gutter, this.height);
    c.clip();
    if (this.matches && this.matches.length) this.halos(c);
    if (this.pointer !== null) this.cursor(c, this.pointer, this.ink.line);
    if (this.hovered >= 0 && this.hovered !== this.selected) this.emphasis(c, this.hovered, false);
    if (this.selected >= 0) {
      this.cursor(c, this.at(this.selected), this.ink.accent);
      this.emphasis(c, this.selected, true);
    }
    c.restore();
  }

  halos(c) {
    c.strokeStyle = this.ink.match;
    c.lineWidth = 2;
    c.beginPath();
    const m = this.matches;
    let before = -10;
    for (let j = lowerBound(m, this.first(this.x0)), n = 0; j < m.length && n < 4000; j++, n++) {
      const x = this.x(this.at(m[j]));
      if (x > this.width) break;
      const y = this.laneY[this.run.lane[m[j]]];
      if (this.coarse && x - before < 2) continue;
      before = x;
      c.moveTo(x + 8, y);
      c.arc(x, y, 8, 0, 7);
    }
    c.stroke();
  }

  cursor(c, pos, color) {
    const x = Math.round(this.x(pos)) + 0.5;
    c.strokeStyle = color;
    c.lineWidth = 1;
    c.beginPath();
    c.moveTo(x, AXIS);
    c.lineTo(x, this.height);
    c.stroke();
  }

  emphasis(c, i, strong) {
    const run = this.run, lost = run.kind[i] === K.drop;
    if ((lost || run.kind[i] === K.deliver) && run.from[i] >= 0 && this.laneOn[run.from[i]] && this.laneOn[run.lane[i]]) {
      const a = this.arrow(i);
      c.lineWidth = strong ? 7 : 5;
      c.strokeStyle = this.ink.bg;
      c.fillStyle = this.ink.bg;
      this.drawArrow(c, a, false, false);
      c.lineWidth = strong ? 2.6 : 2;
      c.strokeStyle = c.fillStyle = lost ? this.ink.lost : this.ink.accent;
      this.drawArrow(c, a, lost, true);
      c.beginPath();
      c.arc(a.x0, a.y0, 3.5, 0, 7);
      c.fill();
      c.font = "10.5px " + this.ink.font;
      c.textBaseline = "middle";
      this.load(c, a);
    }
    if (!this.laneOn[run.lane[i]] || lost) return;
    const x = this.x(this.at(i)), y = this.laneY[run.lane[i]];
    c.beginPath();
    c.lineWidth = strong ? 2.2 : 1.5;
    c.strokeStyle = this.ink.accent;
    c.arc(x, y, strong ? 9 : 7, 0, 7);
    c.stroke();
  }

  // hit is the record at a point of the sheet, or -1.
  hit(x, y) {
    if (x < this.gutter || y < this.headHeight()) return -1;
    const run = this.run, from = this.first(this.pos(x - 7)), to = Math.min(run.count, this.first(this.pos(x + 7)) + 1);
    let best = -1, least = 64;
    const important = (k) => k === K.log || k === K.note || k === K.fault || k === K.crash || k === K.restart || k === K.pause || k === K.resume;
    const middle = this.first(this.pos(x)), lo = Math.max(from, middle - 6000), hi = Math.min(to, middle + 6000);
    for (let i = lo; i < hi; i++) {
      if (!this.shown[i]) continue;
      const dy = Math.abs(y - this.laneY[run.lane[i]]), dx = Math.abs(x - this.x(this.at(i)));
      if (dy > (this.coarse ? this.laneH[run.lane[i]] / 2 : 11)) continue;
      const d = dx * dx + (this.coarse ? 0 : (dy * dy) / 4) - (important(run.kind[i]) ? 12 : 0);
      if (d < least) { least = d; best = i; }
    }
    if (best >= 0) return best;
    least = 6;
    for (const a of this.arrows) {
      const d = distance(x, y, a);
      if (d < least) { least = d; best = a.i; }
    }
    return best;
  }
}

function distance(x, y, a) {
  const dx = a.x1 - a.x0, dy = a.y1 - a.y0, len = dx * dx + dy * dy || 1;
  const t = Math.max(0, Math.min(1, ((x - a.x0) * dx + (y - a.y0) * dy) / len));
  return Math.hypot(x - a.x0 - t * dx, y - a.y0 - t * dy);
}

// clip shortens a text to a width.
function clip(c, text, width) {
  if (text.length > 400) text = text.slice(0, 400);
  if (c.measureText(text).width <= width) return text;
  let lo = 0, hi = text.length;
  while (lo < hi) {
    const mid = (lo + hi + 1) >> 1;
    if (c.measureText(text.slice(0, mid) + "…").width <= width) lo = mid; else hi = mid - 1;
  }
  return lo ? text.slice(0, lo) + "…" : "";
}

// bandRows places the faults of links in rows, so that few lie on one another.
function bandRows(run) {
  const spans = run.spans.filter((s) => s.links || s.groups), ends = [], last = [];
  for (const s of spans) {
    let row = ends.findIndex((e) => e <= s.from_ns);
    if (row < 0) row = ends.length < 4 ? ends.length : ends.indexOf(Math.min(...ends));
    ends[row] = Math.max(ends[row] || 0, s.to_ns);
    s.row = row;
    if (last[row]) last[row].next = s;
    last[row] = s;
  }
  return { spans, count: ends.length };
}

// gaugeGroups puts the gauge of several machines into one chart.
function gaugeGroups(run) {
  const groups = new Map();
  for (const g of run.gauges) {
    const cut = g.name.indexOf(" "), lane = run.laneOfName.get(g.name.slice(0, cut));
    g.lane = cut > 0 && lane ? lane : 0;
    const title = g.lane ? g.name.slice(cut + 1) : g.name;
    if (!groups.has(title)) groups.set(title, { title, list: [], limit: -1, peak: 0 });
    const group = groups.get(title);
    group.list.push(g);
    group.limit = Math.max(group.limit, g.limit);
    for (let i = 0; i < g.count; i++) group.peak = Math.max(group.peak, g.value[i]);
  }
  return [...groups.values()];
}

// paintGauge draws one chart in the window of the view.
function paintGauge(view, group, c, width, height) {
  c.clearRect(0, 0, width, height);
  const capped = group.limit >= 0 && group.limit <= Math.max(4 * group.peak, 8);
  const top = Math.max(1, group.peak, capped ? group.limit : 0) * 1.12;
  const y = (v) => height - 5 - (v / top) * (height - 10);
  const x = (pos) => view.x(pos) - view.gutter;
  c.strokeStyle = view.ink.line;
  c.beginPath();
  c.moveTo(0, y(0) + 0.5);
  c.lineTo(width, y(0) + 0.5);
  c.stroke();
  if (capped) {
    c.strokeStyle = view.ink.lost;
    c.setLineDash([5, 4]);
    c.globalAlpha = 0.75;
    c.beginPath();
    c.moveTo(0, Math.round(y(group.limit)) + 0.5);
    c.lineTo(width, Math.round(y(group.limit)) + 0.5);
    c.stroke();
    c.setLineDash([]);
    c.globalAlpha = 1;
  }
  for (const g of group.list) {
    if (g.lane && !view.laneOn[g.lane]) continue;
    const keys = view.order ? g.index || (g.index = g.event.map((e) => Math.max(0, lastOfEvent(view.run, e)))) : g.at;
    const from = Math.max(0, lowerBound(keys, view.x0) - 1), to = Math.min(g.count, lowerBound(keys, view.x1) + 1);
    c.strokeStyle = g.lane ? view.color(g.lane) : view.ink.accent;
    const mine = view.selected >= 0 && g.lane === view.run.lane[view.selected];
    c.lineWidth = mine ? 2.2 : 1.3;
    c.globalAlpha = mine || group.list.length < 4 ? 1 : 0.55;
    c.beginPath();
    let v = from < g.count && keys[from] <= view.x0 ? g.value[from] : 0;
    c.moveTo(Math.max(0, x(0)), y(v));
    let column = -1;
    for (let i = from; i < to; i++) {
      const px = Math.max(0, x(keys[i]));
      if (Math.floor(px) !== column) { c.lineTo(px, y(v)); column = Math.floor(px); }
      v = g.value[i];
      c.lineTo(px, y(v));
    }
    c.lineTo(Math.min(width, x(view.limit)), y(v));
    c.stroke();
    c.globalAlpha = 1;
  }
  if (view.run.failure) {
    const fx = x(view.order ? view.run.failIndex : view.run.failure.at_ns);
    c.fillStyle = view.ink.lost;
    c.fillRect(fx - 1, 0, 2, height);
  }
  const cursor = view.cursorPos();
  if (cursor !== null) {
    c.fillStyle = view.selected >= 0 && view.pointer === null ? view.ink.accent : view.ink.muted;
    c.fillRect(Math.round(x(cursor)), 0, 1, height);
  }
}

// cursorPos is the instant that the gauges tell of: that of the pointer, or of
// the selection.
View.prototype.cursorPos = function () {
  if (this.pointer !== null) return this.pointer;
  return this.selected >= 0 ? this.at(this.selected) : null;
};

// valueAt is the value of a gauge at an instant; null before its first sample.
function valueAt(view, g, pos) {
  const t = view.order ? view.run.at[Math.max(0, Math.min(view.run.count - 1, Math.round(pos)))] : pos;
  const i = lowerBound(g.at, t + 0.5) - 1;
  return i < 0 ? null : g.value[i];
}
