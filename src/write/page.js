"use strict";
(() => {
  const $ = (id) => document.getElementById(id);
  const data = JSON.parse($("data").textContent);
  const start = data.start || 0;
  const end = start + (data.duration || 1);
  const PEAKS = 100; // in a second

  const el = (tag, props, ...kids) => {
    const e = Object.assign(document.createElement(tag), props || {});
    e.append(...kids);
    return e;
  };
  const bytes = (id) => Uint8Array.from(atob($(id).textContent), (c) => c.charCodeAt(0));
  const clock = (t, digits = 1) => {
    const s = Math.max(0, t);
    const m = Math.floor(s / 60) % 60, h = Math.floor(s / 3600);
    const rest = (s % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
    return (h ? h + ":" + String(m).padStart(2, "0") : m) + ":" + rest;
  };
  const percent = (p) => (p == null ? "" : Math.round(100 * p) + " %");

  // ---- the page around the drawing ----
  const name = (data.file || "").split("/").pop();
  const facts = el("dl", { className: "facts" });
  const fact = (title, value, note) => {
    if (value == null || value === "") return;
    facts.append(el("div", null, el("dt", null, title),
      el("dd", null, String(value), note ? el("small", null, " " + note) : "")));
  };
  fact("Length", clock(data.duration || 0, 0), start ? "from " + clock(start) : "");
  if (data.tempo) fact("Tempo", data.tempo.bpm && data.tempo.bpm.toFixed(1), "bpm");
  fact("Beats in a bar", data.meter);
  if (data.key) fact("Key", data.key.label, percent(data.key.confidence));
  if (data.chords) fact("Chords", new Set(data.chords.map((c) => c.label)).size, "different");
  if (data.structure) fact("Sections", data.structure.length);

  const play = el("button", { className: "play", textContent: "Play", type: "button" });
  const time = el("span", { className: "time" });
  const button = (text, label, act) =>
    el("button", { type: "button", textContent: text, title: label, onclick: act, ariaLabel: label });
  const chooser = el("input", { type: "file", accept: "audio/*" });
  const file = el("label", { className: "file", title: "The recording is not in this page" },
    "Open the recording", chooser);
  const theme = button("Dark", "Light or dark", () => setTheme(!isDark()));
  const follow = el("input", { type: "checkbox", checked: true });
  const map = el("canvas", { className: "map", ariaLabel: "The whole recording" });
  const view = el("canvas", { className: "view", tabIndex: 0, ariaLabel:
    "Waveform and labels over time; space plays, arrows move, plus and minus zoom" });
  view.setAttribute("role", "img");
  map.setAttribute("role", "img");
  const tip = el("div", { className: "tip" });
  const spoken = el("div", { className: "sr" });
  spoken.setAttribute("aria-live", "polite");
  const main = el("main", null,
    el("header", null, el("h1", { textContent: name || "A recording" })), facts,
    el("div", { className: "bar" }, play, time, file, el("span", { className: "space" }),
      el("label", null, follow, " follow"),
      button("−", "Zoom out", () => zoom(0.5)), button("+", "Zoom in", () => zoom(2)),
      button("All", "The whole recording", () => show(start, end)), theme),
    el("div", { className: "lanes" }, map, view), spoken);
  if (data.tags && data.tags.length) {
    const list = el("ul", { className: "tags" }), rest = el("ul", { className: "tags" });
    for (const [i, t] of data.tags.entries()) {
      const fill = el("b");
      fill.style.width = 100 * t.score + "%";
      (t.score >= 0.1 || i < 3 ? list : rest).append(el("li", null, el("span", { textContent: t.label, title: t.label }),
        el("i", null, fill), el("em", null, t.score.toFixed(2))));
    }
    main.append(el("h2", null, "Tags"), list);
    if (rest.firstChild)
      main.append(el("details", null, el("summary", null, rest.childElementCount + " that hardly apply"), rest));
  }
  const keys = el("span", { className: "keys" });
  keys.innerHTML = " · <kbd>space</kbd> play <kbd>←</kbd> <kbd>→</kbd> a beat " +
    "<kbd>+</kbd> <kbd>−</kbd> zoom <kbd>Home</kbd> start";
  main.append(el("footer", null, "mfm " + data.mfm +
    (data.model ? ", model " + data.model.name : ""), keys));
  document.body.append(main, tip);

  // ---- sound ----
  const audio = new Audio();
  let peaks = $("peaks") ? new Int8Array(bytes("peaks").buffer) : null;
  let at = start; // where the player is, in the time of the file
  const setSound = (url) => {
    audio.src = url;
    play.disabled = false;
    file.hidden = true;
  };
  play.disabled = true;
  if ($("sound")) setSound(URL.createObjectURL(new Blob([bytes("sound")], { type: "audio/flac" })));
  let offset = $("sound") ? start : 0; // of the sound in the file
  chooser.onchange = async () => {
    const chosen = chooser.files[0];
    if (!chosen) return;
    offset = 0;
    setSound(URL.createObjectURL(chosen));
    seek(at);
    try { // a picture as well
      const context = new OfflineAudioContext(1, 1, 24000);
      const x = (await context.decodeAudioData(await chosen.arrayBuffer())).getChannelData(0);
      const found = new Int8Array(2 * Math.max(0, Math.ceil((end - start) * PEAKS)));
      for (let i = 0; 2 * i < found.length; i++) {
        const from = Math.floor((start + i / PEAKS) * 24000);
        for (let k = from; k < from + 24000 / PEAKS && k < x.length; k++) {
          found[2 * i] = Math.min(found[2 * i], 127 * x[k]);
          found[2 * i + 1] = Math.max(found[2 * i + 1], 127 * x[k]);
        }
      }
      peaks = found;
      redraw();
    } catch (e) { /* it plays, or the browser says why not */ }
  };
  const seek = (t) => {
    at = Math.min(end, Math.max(start, t));
    if (audio.src) audio.currentTime = at - offset;
    redraw();
  };
  const toggle = () => {
    if (!audio.src) return;
    if (audio.paused) audio.play(); else audio.pause();
  };
  play.onclick = toggle;
  audio.onloadedmetadata = () => { document.documentElement.dataset.sound = audio.duration.toFixed(2); };
  audio.onplay = audio.onpause = audio.onended = () => {
    play.textContent = audio.paused ? "Play" : "Pause";
    redraw();
  };

  // ---- colours ----
  let css = {};
  const isDark = () => document.documentElement.classList.contains("dark");
  const setTheme = (dark) => {
    document.documentElement.classList.toggle("dark", dark);
    theme.textContent = dark ? "Light" : "Dark";
    const style = getComputedStyle(document.documentElement);
    for (const k of ["bg", "panel", "line", "text", "soft", "accent", "wave", "beat", "downbeat", "shade"])
      css[k] = style.getPropertyValue("--" + k).trim();
    redraw();
  };
  const ROOTS = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };
  const pitch = (label) => {
    const m = /^([A-G])([b#]*)/.exec(label || "");
    if (!m) return null;
    let p = ROOTS[m[1]];
    for (const a of m[2]) p += a === "#" ? 1 : -1;
    return ((p % 12) + 12) % 12;
  };
  // neighbours in the circle of fifths have neighbouring colours
  const hue = (p) => ((p * 7) % 12) * 30;
  const tint = (h, minor) => isDark()
    ? `hsl(${h} ${minor ? 28 : 46}% ${minor ? 28 : 36}%)`
    : `hsl(${h} ${minor ? 38 : 62}% ${minor ? 76 : 82}%)`;
  const ofHarmony = (label) => {
    const p = pitch(label);
    if (p == null) return css.line;
    return tint(hue(p), /min|dim|minor/.test(label));
  };
  const SECTIONS = { intro: 205, verse: 150, chorus: 20, bridge: 275, inst: 45, solo: 45, outro: 220, silence: null };
  const ofSection = (label) => {
    let h = SECTIONS[label];
    if (h === null || !label) return css.line;
    if (h === undefined) {
      h = 0;
      for (const c of label) h = (h * 31 + c.codePointAt(0)) % 360;
    }
    return tint(h, false);
  };

  // ---- lanes ----
  const beats = data.beats || [];
  const positions = beats.some((b) => b.position);
  const bpm = []; // [time, value], a mean over 4 beats
  for (let i = 4; i < beats.length; i++)
    bpm.push([(beats[i].time + beats[i - 4].time) / 2, 240 / (beats[i].time - beats[i - 4].time)]);
  const spans = (list, colour) => (g, box, from, to) => {
    for (let i = first(list, from, "end"); i < list.length && list[i].start < to; i++) {
      const s = list[i], x = X(Math.max(s.start, from)), w = X(Math.min(s.end, to)) - x;
      g.globalAlpha = s.confidence == null ? 1 : 0.35 + 0.65 * s.confidence;
      g.fillStyle = colour(s.label);
      g.fillRect(x, box.y + 2, Math.max(1, w - 1), box.h - 4);
      g.globalAlpha = 1;
      const text = (s.letter ? s.letter + "  " : "") + (s.label || "");
      if (w > 14 && text) {
        g.save();
        g.beginPath();
        g.rect(x, box.y, w - 3, box.h);
        g.clip();
        g.fillStyle = css.text;
        g.fillText(text, x + 5, box.y + box.h / 2);
        g.restore();
      }
    }
  };
  const waveform = (g, box, from, to) => {
    const mid = box.y + box.h / 2;
    if (!peaks) {
      g.fillStyle = css.soft;
      g.fillText("The recording is not in this page", 8, mid);
      return;
    }
    g.fillStyle = css.wave;
    const w = g.canvas.clientWidth;
    for (let x = 0; x < w; x++) {
      const t = from + (x / w) * (to - from), next = from + ((x + 1) / w) * (to - from);
      let a = Math.floor((t - start) * PEAKS), b = Math.max(a + 1, Math.ceil((next - start) * PEAKS));
      const step = Math.max(1, Math.floor((b - a) / 64)); // enough of a long one
      let low = 0, high = 0;
      for (let i = Math.max(0, a); i < b && 2 * i + 1 < peaks.length; i += step) {
        low = Math.min(low, peaks[2 * i]);
        high = Math.max(high, peaks[2 * i + 1]);
      }
      const k = box.h / 260;
      g.fillRect(x, mid - high * k, 1, Math.max(1, (high - low) * k));
    }
  };
  const ticks = (g, box, from, to) => {
    const dense = (to - from) / g.canvas.clientWidth > 0.12; // downbeats alone
    for (let i = first(beats, from, "time"); i < beats.length && beats[i].time < to; i++) {
      const b = beats[i], down = b.position === 1 || !positions;
      if (dense && !down) continue;
      const x = Math.round(X(b.time));
      g.globalAlpha = b.confidence == null ? 1 : 0.3 + 0.7 * b.confidence;
      g.fillStyle = down ? css.downbeat : css.beat;
      g.fillRect(x, box.y + (down ? 2 : box.h * 0.4), down ? 2 : 1, down ? box.h - 4 : box.h * 0.6 - 2);
      if (X(to) / (to - from) > 60 && b.position) {
        g.fillStyle = css.soft;
        g.fillText(b.position, x + 4, box.y + box.h / 2);
      }
      g.globalAlpha = 1;
    }
  };
  const tempo = (g, box, from, to) => {
    if (!bpm.length) return;
    const sorted = bpm.map((p) => p[1]).sort((a, b) => a - b);
    const low = sorted[Math.floor(sorted.length * 0.02)] - 4, high = sorted[Math.floor(sorted.length * 0.98)] + 4;
    g.strokeStyle = css.accent;
    g.lineWidth = 1.5;
    g.beginPath();
    for (const [t, v] of bpm) {
      if (t < from - 5 || t > to + 5) continue;
      g.lineTo(X(t), box.y + box.h - 4 - Math.min(1, Math.max(0, (v - low) / (high - low))) * (box.h - 8));
    }
    g.stroke();
    g.fillStyle = css.soft;
    g.textAlign = "right";
    g.fillText(high.toFixed(0), view.clientWidth - 6, box.y + 4);
    g.fillText(low.toFixed(0), view.clientWidth - 6, box.y + box.h - 6);
    g.textAlign = "left";
  };
  const ruler = (g, box, from, to) => {
    const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800];
    const step = steps.find((s) => X(from + s) > 70) || 3600;
    g.fillStyle = css.soft;
    for (let t = Math.ceil(from / step) * step; t < to; t += step) {
      g.fillRect(Math.round(X(t)), box.y + box.h - 5, 1, 5);
      g.fillText(clock(t, step < 1 ? 1 : 0), X(t) + 4, box.y + box.h / 2 - 1);
    }
  };
  const lanes = [{ h: 22, draw: ruler }, { title: "Sound", h: peaks || !$("sound") ? 96 : 40, draw: waveform }];
  if (data.beats) lanes.push({ title: "Beats", h: 30, draw: ticks, points: beats });
  if (data.chords) lanes.push({ title: "Chords", h: 34, draw: spans(data.chords, ofHarmony), spans: data.chords });
  if (data.structure) lanes.push({ title: "Sections", h: 34, draw: spans(data.structure, ofSection), spans: data.structure });
  if (data.key) {
    const over = data.key.over_time || (data.key.label
      ? [{ start, end, label: data.key.label, confidence: data.key.confidence }] : []);
    lanes.push({ title: "Key", h: 28, draw: spans(over, ofHarmony), spans: over });
  }
  if (bpm.length) lanes.push({ title: "Tempo", h: 48, draw: tempo, curve: bpm });
  let height = 0;
  for (const l of lanes) {
    l.y = height + (l.title ? 14 : 0);
    height = l.y + l.h;
  }
  height += 4;

  // ---- drawing ----
  let from = start, to = Math.min(end, start + 60), queued = false;
  const X = (t) => ((t - from) / (to - from)) * view.clientWidth;
  const T = (x) => from + (x / view.clientWidth) * (to - from);
  // the first of a sorted list whose field is past t
  const first = (list, t, field) => {
    let a = 0, b = list.length;
    while (a < b) {
      const m = (a + b) >> 1;
      if (list[m][field] < t) a = m + 1; else b = m;
    }
    return a;
  };
  const prepare = (c, h) => {
    const w = c.clientWidth, ratio = window.devicePixelRatio || 1;
    c.style.height = h + "px";
    if (c.width !== Math.round(w * ratio) || c.height !== Math.round(h * ratio)) {
      c.width = Math.round(w * ratio);
      c.height = Math.round(h * ratio);
    }
    const g = c.getContext("2d");
    g.setTransform(ratio, 0, 0, ratio, 0, 0);
    g.clearRect(0, 0, w, h);
    g.font = "12px system-ui, sans-serif";
    g.textBaseline = "middle";
    return g;
  };
  const drawView = () => {
    const g = prepare(view, height);
    for (const l of lanes) {
      if (l.title) {
        g.fillStyle = css.soft;
        g.font = "11px system-ui, sans-serif";
        g.fillText(l.title, 6, l.y - 6);
        g.font = "12px system-ui, sans-serif";
      }
      l.draw(g, l, from, to);
    }
    g.fillStyle = css.accent;
    g.fillRect(Math.round(X(at)) - 1, 0, 2, height);
  };
  const drawMap = () => {
    const h = 34, g = prepare(map, h), w = map.clientWidth, k = w / (end - start);
    const list = data.structure || [];
    for (const s of list) {
      g.fillStyle = ofSection(s.label);
      g.fillRect((s.start - start) * k, 0, Math.max(1, (s.end - s.start) * k - 1), h);
    }
    if (peaks) {
      g.fillStyle = list.length ? css.text : css.wave;
      g.globalAlpha = list.length ? 0.35 : 1;
      const n = peaks.length / 2, step = Math.max(1, Math.floor(n / w / 32));
      for (let x = 0; x < w; x++) {
        let high = 0;
        for (let i = Math.floor((x / w) * n); i < ((x + 1) / w) * n; i += step)
          high = Math.max(high, peaks[2 * i + 1], -peaks[2 * i]);
        g.fillRect(x, (h - (high / 128) * h) / 2, 1, Math.max(1, (high / 128) * h));
      }
      g.globalAlpha = 1;
    }
    g.fillStyle = css.shade;
    g.strokeStyle = css.accent;
    g.lineWidth = 1.5;
    g.fillRect((from - start) * k, 0, (to - from) * k, h);
    g.strokeRect((from - start) * k + 1, 1, (to - from) * k - 2, h - 2);
    g.fillStyle = css.accent;
    g.fillRect((at - start) * k - 1, 0, 2, h);
  };
  const now = (list) => {
    const s = list && list[first(list, at + 1e-6, "end")];
    return s && s.start <= at && s.label ? s.label : "";
  };
  const draw = () => {
    queued = false;
    if (!audio.paused) {
      at = Math.min(end, audio.currentTime + offset);
      if (follow.checked && (at < from || at > from + 0.8 * (to - from))) {
        const span = to - from;
        show(at - 0.1 * span, at + 0.9 * span);
      }
    }
    drawMap();
    drawView();
    time.textContent = [clock(at) + " / " + clock(end), now(data.chords), now(data.structure)].filter(Boolean).join("  ·  ");
    if (!audio.paused) redraw();
  };
  function redraw() {
    if (!queued) {
      queued = true;
      requestAnimationFrame(draw);
    }
  }
  function show(a, b) {
    const span = Math.min(end - start, Math.max(0.5, b - a));
    from = Math.max(start, Math.min(a, end - span));
    to = from + span;
    redraw();
  }
  function zoom(factor, centre = at >= from && at <= to ? at : (from + to) / 2) {
    show(centre - (centre - from) / factor, centre + (to - centre) / factor);
  }

  // ---- mouse, touch, keys ----
  const drag = (c, move) => {
    c.onpointerdown = (e) => {
      c.setPointerCapture(e.pointerId);
      move(e);
    };
    c.addEventListener("pointermove", (e) => { if (e.buttons) move(e); });
  };
  drag(view, (e) => seek(T(e.offsetX)));
  drag(map, (e) => {
    const t = start + (e.offsetX / map.clientWidth) * (end - start), span = to - from;
    seek(t);
    show(t - span / 2, t + span / 2);
  });
  view.addEventListener("wheel", (e) => {
    e.preventDefault();
    if (e.ctrlKey || Math.abs(e.deltaY) > Math.abs(e.deltaX)) {
      zoom(Math.exp(-e.deltaY / 300), T(e.offsetX));
    } else {
      const by = ((to - from) * e.deltaX) / view.clientWidth;
      show(from + by, to + by);
    }
  }, { passive: false });
  const describe = (x, y) => {
    const lane = lanes.find((l) => y >= l.y && y < l.y + l.h), t = T(x);
    if (!lane) return clock(t, 2);
    if (lane.spans) {
      const s = lane.spans[first(lane.spans, t, "end")];
      if (s && s.start <= t)
        return [(s.letter ? s.letter + " " : "") + (s.label || "no name"), clock(s.start, 2) + " – " + clock(s.end, 2),
          percent(s.confidence)].filter(Boolean).join("\n");
    }
    if (lane.points) {
      const i = first(lane.points, t, "time"), near = [lane.points[i - 1], lane.points[i]]
        .filter(Boolean).sort((a, b) => Math.abs(a.time - t) - Math.abs(b.time - t))[0];
      if (near && Math.abs(X(near.time) - x) < 6)
        return [near.position ? "beat " + near.position : "beat", clock(near.time, 2), percent(near.confidence)]
          .filter(Boolean).join("\n");
    }
    if (lane.curve) {
      const p = lane.curve.find((q) => q[0] >= t);
      if (p) return p[1].toFixed(1) + " bpm\n" + clock(t, 2);
    }
    return clock(t, 2);
  };
  view.addEventListener("pointermove", (e) => {
    tip.textContent = describe(e.offsetX, e.offsetY);
    tip.style.display = "block";
    const box = tip.getBoundingClientRect();
    tip.style.left = Math.min(e.clientX + 14, window.innerWidth - box.width - 4) + "px";
    tip.style.top = Math.min(e.clientY + 14, window.innerHeight - box.height - 4) + "px";
  });
  view.addEventListener("pointerleave", () => { tip.style.display = "none"; });
  const byBeat = (step) => {
    if (!beats.length) return seek(at + step);
    const i = first(beats, at + (step > 0 ? 0.02 : -0.02), "time");
    const b = beats[step > 0 ? i : i - 1];
    seek(b ? b.time : step > 0 ? end : start);
  };
  document.addEventListener("keydown", (e) => {
    if (e.ctrlKey || e.metaKey || e.altKey || /^(INPUT|BUTTON)$/.test(e.target.tagName)) return;
    const act = {
      " ": toggle, ArrowLeft: () => byBeat(-1), ArrowRight: () => byBeat(1), "+": () => zoom(2),
      "=": () => zoom(2), "-": () => zoom(0.5), Home: () => seek(start), End: () => seek(end),
    }[e.key];
    if (!act) return;
    e.preventDefault();
    act();
    if (at < from || at > to) show(at - (to - from) / 2, at + (to - from) / 2);
    spoken.textContent = [clock(at), now(data.chords), now(data.structure)].filter(Boolean).join(", ");
  });

  new ResizeObserver(redraw).observe(view);
  const wanted = new URLSearchParams(location.hash.slice(1));
  setTheme(wanted.has("theme") ? wanted.get("theme") === "dark"
    : matchMedia("(prefers-color-scheme: dark)").matches);
  if (wanted.has("t")) {
    const [a, b] = wanted.get("t").split(",").map(Number);
    seek(a);
    if (b > a) show(a, b); else show(a - 5, a + 25);
  }
  if (view.clientWidth < 600 && !wanted.has("t")) show(start, start + 20);
  document.documentElement.dataset.ready = lanes.length;
})();
