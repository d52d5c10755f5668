// Keeps the page of a node up to date: the server sends the parts that have
// changed, and each replaces the content of the element of its name.
"use strict";

(() => {
  const state = document.getElementById("live-state");
  const button = document.getElementById("live-button");
  const said = document.getElementById("said");
  const held = new Map(); // parts that came while somebody was busy in them
  let source = null;
  let again = 0;
  let wait = 1000;
  let verdict = document.getElementById("verdict").textContent;

  // busy says whether replacing an element would take away a selection.
  const busy = (element) => {
    const s = getSelection();
    return s && !s.isCollapsed && s.containsNode(element, true);
  };

  const replace = (name, html) => {
    const element = document.getElementById("part-" + name);
    if (!element) return;
    if (busy(element)) {
      held.set(name, html);
      return;
    }
    held.delete(name);
    element.innerHTML = html;
    if (name !== "head") return;
    const now = document.getElementById("verdict").textContent;
    document.title = document.title.replace(/^[^·]*/, now.split(":")[0] + " ");
    if (now !== verdict) said.textContent = now;
    verdict = now;
  };

  const show = (text, kind) => {
    state.textContent = text;
    state.className = "state " + kind;
  };

  const stop = () => {
    clearTimeout(again);
    if (source) source.close();
    source = null;
  };

  const start = () => {
    stop();
    show("connecting", "");
    source = new EventSource("events");
    source.addEventListener("open", () => {
      wait = 1000;
      show("live", "good");
    });
    source.addEventListener("part", (e) => {
      const cut = e.data.indexOf("\n");
      replace(e.data.slice(0, cut), e.data.slice(cut + 1));
    });
    source.addEventListener("error", () => {
      show("no connection: these figures are old", "bad");
      if (source.readyState !== EventSource.CLOSED) return; // it tries again by itself
      stop();
      again = setTimeout(start, wait);
      wait = Math.min(wait * 2, 30000);
    });
  };

  document.addEventListener("selectionchange", () => {
    for (const [name, html] of [...held]) replace(name, html);
  });
  button.addEventListener("click", () => {
    const paused = button.getAttribute("aria-pressed") === "true";
    button.setAttribute("aria-pressed", String(!paused));
    if (paused) {
      start();
    } else {
      stop();
      show("paused", "warn");
    }
  });
  document.getElementById("live").hidden = false;
  start();
})();
