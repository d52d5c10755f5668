"use strict";
// data.js: reads the block of a run (see encode.go) and builds what drawing
// and searching need: typed arrays in the order of the records.

// lowerBound is the first index of a sorted array whose value is not below x.
function lowerBound(a, x, lo = 0, hi = a.length) {
  while (lo < hi) {
    const mid = (lo + hi) >>> 1;
    if (a[mid] < x) lo = mid + 1; else hi = mid;
  }
  return lo;
}

class Reader {
  constructor(bytes) { this.b = bytes; this.p = 0; }
  // uint reads a varint of up to 53 bits.
  uint() {
    let v = 0, scale = 1, b;
    do {
      b = this.b[this.p++];
      v += (b & 127) * scale;
      scale *= 128;
    } while (b > 127);
    return v;
  }
  int() {
    const v = this.uint();
    return v % 2 ? -(v + 1) / 2 : v / 2;
  }
  // word reads a varint of 64 bits into a pair of 32-bit halves.
  word(out, i) {
    let lo = 0, hi = 0, shift = 0, b;
    do {
      b = this.b[this.p++];
      const v = b & 127;
      if (shift < 28) lo |= v << shift;
      else if (shift === 28) { lo |= (v & 15) << 28; hi = v >> 4; }
      else hi |= v << (shift - 32);
      shift += 7;
    } while (b > 127);
    out[2 * i] = lo >>> 0;
    out[2 * i + 1] = hi >>> 0;
  }
  block() {
    const n = this.uint();
    this.p += n;
    return this.b.subarray(this.p - n, this.p);
  }
}

async function unpack(base64) {
  const text = atob(base64.trim());
  const zipped = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) zipped[i] = text.charCodeAt(i);
  const stream = new Blob([zipped]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}

// load returns the run: its head and a column for each field.
async function load(base64) {
  const all = new Reader(await unpack(base64));
  const run = JSON.parse(new TextDecoder().decode(all.block()));
  const n = run.count;
  const cols = {};
  for (const name of run.columns) cols[name] = new Reader(all.block());
  const differences = (r, out) => {
    let v = 0;
    for (let i = 0; i < n; i++) out[i] = v += r.int();
    return out;
  };
  const plain = (r, out) => {
    for (let i = 0; i < n; i++) out[i] = r.uint();
    return out;
  };
  run.decision = differences(cols.decision, new Float64Array(n));
  run.event = differences(cols.event, new Float64Array(n));
  run.at = differences(cols.at, new Float64Array(n));
  run.kind = plain(cols.kind, new Uint8Array(n));
  run.machine = plain(cols.machine, new Uint32Array(n));
  run.task = plain(cols.task, new Uint32Array(n));
  run.taskid = differences(cols.taskid, new Float64Array(n));
  run.text = plain(cols.text, new Uint32Array(n));
  run.peer = plain(cols.peer, new Uint32Array(n));
  run.took = plain(cols.took, new Float64Array(n));
  run.a = new Uint32Array(2 * n);
  run.b = new Uint32Array(2 * n);
  for (let i = 0; i < n; i++) { cols.a.word(run.a, i); cols.b.word(run.b, i); }
  loadGauges(run, new Reader(all.block()), new Reader(all.block()), new Reader(all.block()));
  index(run);
  return run;
}

function loadGauges(run, at, event, value) {
  run.gauges = run.gauges || [];
  for (const g of run.gauges) {
    g.at = new Float64Array(g.count);
    g.event = new Float64Array(g.count);
    g.value = new Float64Array(g.count);
    let t = 0, e = 0, v = 0;
    for (let i = 0; i < g.count; i++) {
      g.at[i] = t += at.int();
      g.event[i] = e += event.int();
      g.value[i] = v += value.int();
    }
  }
}

// K has the number of each kind by its name.
const K = {};

// Marked are the kinds that are drawn however far out one is.
const MARKED = ["log", "note", "fault", "crash", "restart", "pause", "resume", "clock", "slow"];

// index derives the lanes, the messages and the list of marks.
function index(run) {
  run.kinds.forEach((name, i) => { K[name] = i; });
  const n = run.count;
  // Lanes: what belongs to no machine is the scenario's; then the machines.
  run.lanes = [{ name: "scenario", own: false, world: true, count: 0 }];
  const laneOfName = new Map([["", 0]]);
  for (const m of run.machines || []) {
    laneOfName.set(m, run.lanes.length);
    run.lanes.push({ name: m, own: !run.framework.includes(m), world: false, count: 0 });
  }
  run.laneOfName = laneOfName;
  const laneOfString = new Int32Array(run.strings.length).fill(-1);
  run.strings.forEach((s, i) => { if (laneOfName.has(s)) laneOfString[i] = laneOfName.get(s); });
  run.lane = new Uint16Array(n);
  run.from = new Int16Array(n).fill(-1); // the lane of the sender
  run.kindCount = new Float64Array(run.kinds.length);
  const messages = [], marks = [], marked = new Set(MARKED.map((k) => K[k]));
  for (let i = 0; i < n; i++) {
    const k = run.kind[i];
    run.lane[i] = Math.max(0, laneOfString[run.machine[i]]);
    run.kindCount[k]++;
    run.lanes[run.lane[i]].count++;
    if (k === K.deliver || k === K.drop) {
      if (run.peer[i]) run.from[i] = laneOfString[run.peer[i]];
      messages.push(i);
    }
    // The network tells of a crash too.
    if (marked.has(k) && !(k === K.fault && run.strings[run.text[i]] === "crash")) marks.push(i);
  }
  run.messages = Uint32Array.from(messages);
  run.marks = Uint32Array.from(marks);
  // The earliest sending of every 256 messages, to skip them by blocks.
  run.blocks = new Float64Array(Math.ceil(messages.length / 256)).fill(Infinity);
  messages.forEach((i, j) => { run.blocks[j >> 8] = Math.min(run.blocks[j >> 8], run.at[i] - run.took[i]); });
  run.sentIndex = new Int32Array(n).fill(-2);
  run.level = run.strings.map((s) => (s.includes("level=ERROR") ? 2 : s.includes("level=WARN") ? 1 : 0));
  run.end = Math.max(run.simulated, n ? run.at[n - 1] : 0, 1);
  run.failIndex = -1;
  if (run.failure) run.failIndex = Math.max(0, lastOfEvent(run, run.failure.event));
  for (const s of run.spans || (run.spans = [])) s.index = spanIndex(run, s);
  // Records that begin a shaded fault need no text of their own.
  run.begins = new Set(run.spans.filter((s) => s.machine).map((s) => s.index));
}

// lastOfEvent is the last record of an event or of one before it; -1 is none.
function lastOfEvent(run, event) { return lowerBound(run.event, event + 1) - 1; }

// spanIndex is the record with which a span begins.
function spanIndex(run, s) {
  const mine = s.machine || (s.links ? s.links[0][0] : "");
  for (let i = lowerBound(run.event, s.event); i < run.count && run.event[i] === s.event; i++) {
    const k = run.kind[i];
    if (run.strings[run.machine[i]] === mine && (k === K.fault || k === K.crash || k === K.pause || k === K.slow || k === K.clock)) return i;
  }
  return Math.min(run.count - 1, lowerBound(run.event, s.event));
}

// sender is the record of the sending machine in which a message was sent, as
// near as the trace tells: its last one of that instant.
function sender(run, i) {
  if (run.sentIndex[i] !== -2) return run.sentIndex[i];
  const sent = run.at[i] - run.took[i], lane = run.from[i];
  let found = -1;
  for (let j = Math.min(i, lowerBound(run.at, sent + 0.5)) - 1, tries = 0; j >= 0 && run.at[j] === sent && tries < 400; j--, tries++) {
    if (run.lane[j] === lane && run.kind[j] !== K.deliver && run.kind[j] !== K.drop) { found = j; break; }
  }
  return (run.sentIndex[i] = found);
}

function word(halves, i) { return (BigInt(halves[2 * i + 1]) << 32n) | BigInt(halves[2 * i]); }

// argB undoes the rotation of the encoding.
function argB(run, i) {
  const v = word(run.b, i);
  return (v >> 8n) | ((v & 255n) << 56n);
}

// cause is what made the task of a pick ready: a sentence, and the record if
// there is one to go to.
function cause(run, i) {
  const id = Number(argB(run, i) & ((1n << 56n) - 1n)), kind = run.kinds[Number(argB(run, i) >> 56n)];
  const before = (is) => { for (let j = i - 1; j >= 0; j--) if (is(j)) return j; return -1; };
  switch (kind) {
    case "spawn": return { text: "its start", at: before((j) => run.kind[j] === K.spawn && run.a[2 * j] === id % 2 ** 32) };
    case "pick": {
      const at = before((j) => run.kind[j] === K.pick && run.taskid[j] === id);
      return { text: at < 0 ? `task ${id}` : `${name(run, run.task[at])} #${id} on ${owner(run, at)}`, at };
    }
    case "timer": case "world": {
      const at = before((j) => (run.kind[j] === K.timer || run.kind[j] === K.world) && run.a[2 * j] === id % 2 ** 32);
      return { text: `timer ${id}`, at };
    }
    case "note": return { text: "its own yield", at: -1 };
    case "unwind": return { text: "its death", at: -1 };
  }
  return { text: "a call from outside", at: -1 };
}

// owner is the machine of a record, or whose it is when it has none.
function owner(run, i) { return run.strings[run.machine[i]] || "scenario"; }

function name(run, s) { return run.strings[s] || "–"; }

// summary is a record in a few words.
function summary(run, i) {
  const k = run.kind[i], text = run.strings[run.text[i]], task = run.strings[run.task[i]];
  switch (k) {
    case K.pick: return `${task} #${run.taskid[i]} runs`;
    case K.spawn: return `starts ${text}`;
    case K.end: return `${task || "task"} #${word(run.a, i)} ends`;
    case K.timer: return `timer ${word(run.a, i)}`;
    case K.unwind: return `task #${word(run.a, i)} dies`;
    case K.crash: return "crashes";
    case K.restart: return "comes back";
    case K.pause: return "stands still";
    case K.resume: return "goes on";
    case K.machine: return "is made";
    case K.rand: return `draws ${argB(run, i).toString(16).padStart(16, "0")}`;
    case K.clock: return clockChange(run, i);
    case K.slow: return run.a[2 * i] || run.a[2 * i + 1] ? `is slow, by up to ${lasting(Number(word(run.a, i)))}` : "is fast again";
    case K.log: return logLine(text);
    case K.deliver: return run.peer[i] ? `${text || "message"} from ${name(run, run.peer[i])}` : text || "message arrives";
    case K.drop: return run.peer[i] ? `${text || "message"} from ${name(run, run.peer[i])} is lost` : text || "message is lost";
  }
  return text || run.kinds[k];
}

// clockChange is what a record of the kind clock tells.
function clockChange(run, i) {
  const by = Number(BigInt.asIntN(64, argB(run, i))), sign = by < 0 ? "−" : "+";
  switch (run.a[2 * i]) {
    case 1: return `calendar clock ${sign}${lasting(Math.abs(by))}`;
    case 2: return `monotonic clock ${sign}${lasting(Math.abs(by))}`;
    case 3: return by ? `clocks drift by ${by} ppm` : "clocks drift no more";
  }
  return "clock";
}

// logLine is a line of log/slog with its message in front.
function logLine(text) {
  const m = /^(?:time=\S+ )?level=(\w+) msg=("(?:[^"\\]|\\.)*"|\S+) ?(.*)$/.exec(text);
  if (!m) return text;
  const msg = m[2].startsWith('"') ? m[2].slice(1, -1).replace(/\\"/g, '"') : m[2];
  return (m[1] === "INFO" ? "" : m[1] + " ") + msg + (m[3] ? "  " + m[3] : "");
}

// seconds prints nanoseconds as seconds, digits in groups of three.
function seconds(ns) {
  const whole = Math.floor(ns / 1e9), rest = String(Math.round(ns - whole * 1e9)).padStart(9, "0");
  const groups = [rest.slice(0, 3), rest.slice(3, 6), rest.slice(6)];
  while (groups.length && groups[groups.length - 1] === "000") groups.pop();
  return groups.length ? `${whole}.${groups.join("\u2009")} s` : `${whole} s`;
}

// lasting prints how long something takes.
function lasting(ns) {
  for (const [unit, size] of [["s", 1e9], ["ms", 1e6], ["µs", 1e3]]) {
    if (ns >= size) return `${Number((ns / size).toPrecision(4))} ${unit}`;
  }
  return `${Math.round(ns)} ns`;
}

// short is a number for where there is little room.
function short(n) { return n >= 10000 && n % 1000 === 0 ? thousands(n / 1000) + "k" : thousands(n); }

function thousands(n) { return String(n).replace(/\B(?=(\d{3})+$)/g, "\u2009"); }
