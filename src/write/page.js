/* What the page of a result does. Times are seconds of the file; x is in CSS
 * pixels from the left of the song, at the scale in force. */
"use strict";
(() => {
const $ = id => document.getElementById(id);
const root = document.documentElement;
const data = JSON.parse($("result").textContent);
const audio = $("audio");
const scroll = $("scroll"), view = $("view"), map = $("map");
const MAX_SCALE = 400, MAX_WIDTH = 8e6; /* px; browsers end at 16e6 */
const BAR = 3; /* px, of which one is the gap */

/* ---- what there is ---- */

const beats = data.beats || [];
const key = data.key && data.key.label ? data.key : null;
const begin = data.start || 0;
const end = Math.max(begin + (data.duration || 0), begin + 0.1,
  ...[data.chords, data.structure, key && key.over_time]
    .map(s => s && s.length ? s[s.length - 1].end : 0),
  beats.length ? beats[beats.length - 1].time : 0);

/* Bars are counted from the first downbeat; 0 is what comes before it. */
let bars = 0;
for (const b of beats)
  b.bar = b.position === 1 ? ++bars : bars;
const downbeats = beats.filter(b => b.position === 1);

/* Index of the last element whose field is <= t; -1 if there is none. */
function last(list, field, t) {
  let a = 0, b = list.length;

  while (a < b) {
    const m = (a + b) >> 1;

    if (list[m][field] <= t)
      a = m + 1;
    else
      b = m;
  }
  return a - 1;
}

function at(segments, t) {
  const s = segments[last(segments, "start", t)];

  return s && t < s.end ? s : null;
}

/* Tempo at each beat, over the four beats on either side where they go on
 * without a gap: single distances have the grain of the model's frames. */
function tempo_curve() {
  const gaps = beats.slice(1).map((b, i) => b.time - beats[i].time);
  const usual = gaps.slice().sort((a, b) => a - b)[gaps.length >> 1];
  const goes_on = i => gaps[i] < 1.8 * usual && gaps[i] > 0;
  const curve = [];

  beats.forEach((b, i) => {
    let lo = i, hi = i;

    while (lo > 0 && lo > i - 4 && goes_on(lo - 1))
      lo--;
    while (hi < gaps.length && hi < i + 4 && goes_on(hi))
      hi++;
    if (hi > lo)
      curve.push({ time: b.time, joined: i > 0 && goes_on(i - 1),
        bpm: 60 * (hi - lo) / (beats[hi].time - beats[lo].time) });
  });
  return curve;
}
const curve = tempo_curve();

function curve_range() {
  const sorted = curve.map(p => p.bpm).sort((a, b) => a - b);
  const middle = sorted[sorted.length >> 1];
  const far = Math.max(0.08 * middle, ...[0.02, 0.98].map(q =>
    1.15 * Math.abs(sorted[Math.floor(q * (sorted.length - 1))] - middle)));

  return [Math.max(0, middle - far), middle + far];
}
const bpm_range = curve.length ? curve_range() : [0, 1];

function bytes(base64) {
  const text = atob(base64), out = new Uint8Array(text.length);

  for (let i = 0; i < out.length; i++)
    out[i] = text.charCodeAt(i);
  return out;
}

/* Peaks, then the same of pairs, and so on, so that a picture of any stretch
 * looks at a few of them for each bar. */
function pyramid(p) {
  const levels = [{ peak: bytes(p.peak), rms: bytes(p.rms) }];

  for (let l = levels[0]; l.peak.length > 64; l = levels[levels.length - 1]) {
    const n = (l.peak.length + 1) >> 1;
    const up = { peak: new Uint8Array(n), rms: new Uint8Array(n) };

    for (let i = 0; i < n; i++) {
      const j = Math.min(2 * i + 1, l.peak.length - 1);

      up.peak[i] = Math.max(l.peak[2 * i], l.peak[j]);
      up.rms[i] = (l.rms[2 * i] + l.rms[j] + 1) >> 1;
    }
    levels.push(up);
  }
  return levels;
}
const levels = data.peaks ? pyramid(data.peaks) : null;
const loudest = levels
  ? Math.max(1, ...levels[levels.length - 1].peak) : 1;

/* ---- words ---- */

function clock(t, digits) {
  const unit = 10 ** digits, all = Math.round(Math.max(0, t) * unit);
  const s = (all % (60 * unit)) / unit, m = Math.floor(all / 60 / unit);
  const pad = (x, n) => x.toFixed(n).padStart(n ? 3 + n : 2, "0");

  return m < 60 ? m + ":" + pad(s, digits)
    : Math.floor(m / 60) + ":" + pad(m % 60, 0) + ":" + pad(s, digits);
}

const percent = c => c == null ? "" : Math.round(100 * c) + " %";

function signs(s) {
  return s.replace(/#/g, "\u266f").replace(/([A-G\u266d])b/g, "$1\u266d");
}

const NOTE = { C: 0, D: 2, E: 4, F: 5, G: 7, A: 9, B: 11 };

/* Root 0..11, what follows it, and as musicians write it; root -1 for N, X and
 * what is no chord. */
function chord(label) {
  const m = /^([A-G])([#b]*)(?::([^/]*))?(\/.*)?$/.exec(label || "");

  if (!m)
    return { root: -1, kind: "", text: label || "?" };
  const root = NOTE[m[1]] + m[2].split("#").length - m[2].split("b").length;
  const kind = m[3] || (m[3] === undefined ? "maj" : "");
  const short = kind === "maj" ? "" : kind === "min" ? "m"
    : kind.replace(/^min(?!maj)/, "m");

  return { root: (root + 24) % 12, kind,
    text: signs(m[1] + m[2]) + short + (m[4] || "") };
}

/* ---- colours ---- */

let colour = {};

function read_colours() {
  const style = getComputedStyle(root);

  for (const name of ["card", "ink", "dim", "line", "soft", "accent", "wave",
    "core"])
    colour[name] = style.getPropertyValue("--" + name).trim();
  colour.dark = root.dataset.theme === "dark";
}

/* lift: lighter than the usual fill, or darker. */
function fill(hue, chroma, lift) {
  const l = colour.dark ? 0.48 + 0.8 * lift : 0.84 + lift;

  return `oklch(${l.toFixed(3)} ${chroma.toFixed(3)} ${hue % 360})`;
}

/* Fifths are neighbours on the circle of hues, as they are in harmony. */
const hue_of = root => (root * 7 % 12) * 30 + 25;

function chord_colour(label) {
  const c = chord(label);

  if (c.root < 0)
    return colour.soft;
  const lift = /^(min|m)(?!aj)/.test(c.kind) ? -0.09
    : /^h?dim/.test(c.kind) ? -0.15 : /^sus/.test(c.kind) ? 0.05 : 0;

  return fill(hue_of(c.root), /\d/.test(c.kind) ? 0.125
    : /^(aug|\+)/.test(c.kind) ? 0.15 : 0.095, lift);
}

function key_colour(label) {
  return chord_colour(label.replace(/ major$/, ":maj")
    .replace(/ minor$/, ":min"));
}

const SECTION = { intro: 240, verse: 200, chorus: 45, bridge: 320, inst: 150,
  outro: 275 };

function section_colour(label) {
  const word = (label || "").toLowerCase().split(/[^a-z]/)[0];
  let hash = 0;

  if (!label || word === "silence")
    return colour.soft;
  for (const c of label)
    hash = (hash * 31 + c.codePointAt(0)) % 360;
  return fill(SECTION[word] ?? hash, word === "chorus" ? 0.11 : 0.07, 0.02);
}

const opacity = c => c == null ? 1 : 0.3 + 0.7 * c;

/* ---- the part that is seen ---- */

let scale = 1;         /* px a second */
let fitted = true;     /* all of the song, also when the window changes */
let width = 0;         /* of the part */
let left = 0;          /* x of its left edge */
let height = 0;        /* of all lanes */
let narrow = false;
let dirty = 0;
const ctx = view.getContext("2d");
const fit_scale = () => width / (end - begin);
const max_scale = () => Math.max(fit_scale(),
  Math.min(MAX_SCALE, MAX_WIDTH / (end - begin)));
const x_of = t => (t - begin) * scale;
const t_of = x => begin + x / scale;

function sized(canvas, w, h) {
  const ratio = devicePixelRatio || 1, c = canvas.getContext("2d");
  const pw = Math.round(w * ratio), ph = Math.round(h * ratio);

  if (canvas.width !== pw || canvas.height !== ph) {
    canvas.width = pw;
    canvas.height = ph;
    canvas.style.width = w + "px";
    canvas.style.height = h + "px";
  }
  c.setTransform(ratio, 0, 0, ratio, 0, 0);
  c.clearRect(0, 0, w, h);
  return c;
}

const FONT = "12px system-ui, sans-serif";
const widths = new Map();

function text_width(s) {
  if (!widths.has(s)) {
    ctx.font = FONT;
    widths.set(s, ctx.measureText(s).width);
  }
  return widths.get(s);
}

/* A label at the left of x0..x1, as far as that is seen, if it fits. */
function put_label(s, x0, x1, y, ink) {
  const room = Math.min(6, (x1 - x0 - text_width(s)) / 2);
  const a = Math.max(x0, 0) + Math.max(2, room), b = Math.min(x1, width) - 2;

  if (text_width(s) > b - a)
    return;
  ctx.fillStyle = ink;
  ctx.fillText(s, a, y);
}

function draw_ruler(y, h) {
  const steps = [0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800,
    3600, 7200];
  const step = steps.find(s => s * scale > 70) || 14400;
  const to = Math.min(end, t_of(left + width));

  for (let i = Math.ceil(t_of(left) / step - 0.2); i * step <= to; i++) {
    const x = x_of(i * step) - left;

    ctx.fillStyle = colour.line;
    ctx.fillRect(Math.round(x), y + h - 7, 1, 7);
    ctx.fillStyle = colour.dim;
    ctx.fillText(clock(i * step, step < 1 ? 1 : 0), x + 5, y + h / 2);
  }
}

/* Bars of the song's own grid, so that they stand still when it scrolls. c is
 * drawn from x = from on, with px a second. */
function draw_wave(c, from, w, y, h, px) {
  const per = data.peaks.rate / px * BAR; /* peaks a bar */
  const l = Math.max(0, Math.min(levels.length - 1,
    Math.floor(Math.log2(per))));
  const { peak, rms } = levels[l], step = per / 2 ** l, gain = h / 2 / loudest;

  for (let k = Math.floor(from / BAR); k * BAR < from + w; k++) {
    const a = Math.floor(k * step);
    const b = Math.max(a + 1, Math.floor((k + 1) * step));
    let p = 0, r = 0;

    if (a >= peak.length)
      break;
    for (let i = a; i < b && i < peak.length; i++) {
      p = Math.max(p, peak[i]);
      r = Math.max(r, rms[i]);
    }
    p = Math.max(0.5, p * gain);
    r *= gain;
    c.fillStyle = colour.wave;
    c.fillRect(k * BAR - from, y + h / 2 - p, BAR - 1, 2 * p);
    c.fillStyle = colour.core;
    c.fillRect(k * BAR - from, y + h / 2 - r, BAR - 1, 2 * r);
  }
}

function draw_nothing(y, h, what) {
  put_label(what, 0, width, y + h / 2, colour.dim);
}

function draw_segments(list, y, h, paint, text) {
  let i = Math.max(0, last(list, "start", t_of(left)));
  let done = -1; /* what is narrower than a pixel is drawn once a pixel */

  if (!list.length)
    draw_nothing(y, h, "none");
  for (; i < list.length; i++) {
    const s = list[i], x0 = x_of(s.start) - left, x1 = x_of(s.end) - left;

    if (x0 > width)
      break;
    if (x1 <= done)
      continue;
    const w = Math.max(1, x1 - x0 - (x1 - x0 > 3 ? 1.5 : 0));

    done = Math.max(x1, x0 + 1);
    ctx.globalAlpha = opacity(s.confidence);
    ctx.fillStyle = paint(s.label);
    ctx.beginPath();
    /* far outside no corner is seen, and large numbers draw badly */
    const a = Math.max(x0, -20), b = Math.min(x0 + w, width + 20);

    if (w < 8)
      ctx.rect(a, y, b - a, h);
    else
      ctx.roundRect(a, y, b - a, h, Math.min(5, w / 4));
    ctx.fill();
    ctx.globalAlpha = 1;
    if (w > 14)
      put_label(text(s), x0, x1, y + h / 2, colour.ink);
  }
}

function draw_beats(y, h) {
  const per_beat = beats.length / (end - begin);
  const all = !bars || scale / per_beat > 4, numbers = scale / per_beat > 34;
  const list = all ? beats : downbeats;
  /* of the whole of a long song every second one, or every fourth, ... */
  const step = 2 ** Math.max(0, Math.ceil(Math.log2(
    4 * list.length / (scale * (end - begin)))));
  let free = -1e9, i = Math.max(0, last(list, "time", t_of(left) - 1));

  if (!beats.length)
    draw_nothing(y, h, "none");
  for (i -= i % step; i < list.length; i += step) {
    const b = list[i], x = x_of(b.time) - left, first = b.position === 1;
    const tall = first ? h - 11 : (h - 11) * 0.5;

    if (x > width + 20)
      break;
    ctx.globalAlpha = opacity(b.confidence);
    ctx.fillStyle = first ? colour.accent : colour.dim;
    ctx.fillRect(x - (first ? 1 : 0.5), y + h - tall, first ? 2 : 1, tall);
    ctx.globalAlpha = 1;
    if (x < free || !(first || numbers && b.position))
      continue;
    ctx.font = "10px system-ui, sans-serif";
    ctx.fillStyle = first ? colour.ink : colour.dim;
    ctx.fillText(first ? b.bar : b.position,
      x > -2 ? Math.max(2, x - 1) : x, y + 3);
    ctx.font = FONT;
    free = x + (numbers ? 0 : 30);
  }
}

/* Downbeats go on as thin lines behind the lanes below. */
function draw_grid(y, h) {
  if (!bars || scale * (end - begin) / bars < 14)
    return;
  ctx.fillStyle = colour.line;
  for (let i = Math.max(0, last(downbeats, "time", t_of(left)));
    i < downbeats.length; i++) {
    const x = x_of(downbeats[i].time) - left;

    if (x > width)
      break;
    ctx.fillRect(Math.round(x) - 0.5, y, 1, h);
  }
}

const bpm_y = (bpm, y, h) => {
  const [lo, hi] = bpm_range, share = (bpm - lo) / (hi - lo);

  return y + 4 + (h - 8) * (1 - Math.min(1, Math.max(0, share)));
};

function draw_tempo(y, h) {
  let i = Math.max(0, last(curve, "time", t_of(left)) - 1), seen = -1e9;

  ctx.strokeStyle = colour.accent;
  ctx.lineWidth = 1.6;
  ctx.lineJoin = "round";
  ctx.beginPath();
  for (; i < curve.length; i++) {
    const p = curve[i], x = x_of(p.time) - left;

    if (p.joined && x - seen < 1)
      continue;
    ctx[p.joined && seen > -1e9 ? "lineTo" : "moveTo"](x, bpm_y(p.bpm, y, h));
    seen = x;
    if (x > width)
      break;
  }
  ctx.stroke();
  if (!curve.length)
    draw_nothing(y, h, "not known");
  ctx.font = "10px system-ui, sans-serif";
  ctx.textAlign = "right";
  ctx.fillStyle = colour.dim;
  for (const v of curve.length ? bpm_range : [])
    ctx.fillText(v.toFixed(0), width - 5, bpm_y(v, y, h) +
      (v === bpm_range[0] ? -3 : 4));
  ctx.textAlign = "left";
  ctx.font = FONT;
}

/* ---- lanes, from the top ---- */

const span = s => clock(s.start, 2) + " \u2013 " + clock(s.end, 2);

function tell_segment(list, text) {
  return t => {
    const s = at(list, t);

    return s && [text(s), span(s), sure(s.confidence)];
  };
}

const sure = c => c == null ? "" : percent(c) + " sure";
const plain = s => [s.label, s.letter].filter(Boolean).join(" ") || "unnamed";
const chord_text = s => chord(s.label).text;
const key_text = s => signs(plain(s));

function tell_beat(t) {
  const i = last(beats, "time", t), a = beats[i], b = beats[i + 1];
  const near = !a || b && b.time - t < t - a.time ? b : a;

  return near && Math.abs(near.time - t) * scale < 12 &&
    [near.position ? (near.bar ? "bar " + near.bar + ", " : "") + "beat " +
      near.position : "beat", clock(near.time, 2), sure(near.confidence)];
}

function tell_tempo(t) {
  const p = curve[Math.max(0, last(curve, "time", t))];

  return p && [p.bpm.toFixed(1) + " bpm", clock(p.time, 2), "over 8 beats"];
}

const keys = key && (key.over_time || [{ start: begin, end, label: key.label,
  confidence: key.confidence }]);
const lanes = [{ name: "", h: 24, draw: draw_ruler }];

function lane(name, there, h, draw, tell) {
  if (there)
    lanes.push({ name, h, draw, tell });
}

lane("Section", data.structure, 28, (y, h) =>
  draw_segments(data.structure, y, h, section_colour, plain),
  data.structure && tell_segment(data.structure, plain));
lane("Sound", levels, 104, (y, h) => draw_wave(ctx, left, width, y, h, scale));
lane("Beats", data.beats, 34, draw_beats, tell_beat);
lane("Chords", data.chords, 34, (y, h) =>
  draw_segments(data.chords, y, h, chord_colour, chord_text),
  data.chords && tell_segment(data.chords, s => chord_text(s) +
    (s.label && chord_text(s) !== s.label ? "  (" + s.label + ")" : "")));
lane("Key", data.key, 24, (y, h) =>
  draw_segments(keys || [], y, h, key_colour, key_text),
  keys && tell_segment(keys, key_text));
lane("Tempo", data.beats, 64, draw_tempo, tell_tempo);

function place_lanes() {
  let y = 0;

  narrow = matchMedia("(max-width: 640px)").matches;
  $("names").replaceChildren();
  for (const l of lanes) {
    const name = document.createElement("span");

    name.textContent = l.name;
    name.style.top = y + (narrow ? 0 : (l.h - 18) / 2) + "px";
    $("names").append(name);
    l.y = y + (narrow && l.name ? 15 : 0);
    y = l.y + l.h + 9;
  }
  height = y;
}

function draw() {
  dirty = 0;
  left = scroll.scrollLeft;
  sized(view, width, height);
  ctx.font = FONT;
  ctx.textBaseline = "middle";
  const beat_lane = lanes.find(l => l.name === "Beats");

  if (beat_lane)
    draw_grid(beat_lane.y + beat_lane.h, height);
  for (const l of lanes)
    l.draw(l.y, l.h);
  const w = $("window").style, share = 100 / (scale * (end - begin));

  w.left = left * share + "%";
  w.width = width * share + "%";
  w.opacity = width * share > 99.9 ? 0 : 1;
}

function redraw() {
  if (!dirty)
    dirty = requestAnimationFrame(draw);
}

function draw_map() {
  const w = map.clientWidth, h = map.clientHeight;
  const c = sized(map.firstElementChild, w, h), px = w / (end - begin);

  for (const s of data.structure || []) {
    c.globalAlpha = 0.55 * opacity(s.confidence);
    c.fillStyle = section_colour(s.label);
    c.fillRect((s.start - begin) * px, 0, (s.end - s.start) * px, h);
  }
  c.globalAlpha = 1;
  if (levels)
    draw_wave(c, 0, w, 6, h - 12, px);
}

/* The time t comes to stand offset px right of the left edge. */
function zoom(to, t, offset) {
  scale = Math.min(max_scale(), Math.max(fit_scale(), to));
  fitted = scale <= fit_scale() * 1.0001;
  $("song").style.width = Math.max(width, scale * (end - begin)) + "px";
  scroll.scrollLeft = x_of(t) - offset;
  show_position();
  redraw();
}

function zoom_by(factor) {
  const x = x_of(position) - scroll.scrollLeft;
  const offset = x >= 0 && x <= width ? x : width / 2;

  zoom(scale * factor, t_of(scroll.scrollLeft + offset), offset);
}

function show_span(a, b) {
  zoom(width / Math.max(0.01, b - a), a, 0);
}

function resize() {
  const t = t_of(scroll.scrollLeft);

  place_lanes();
  width = scroll.clientWidth;
  $("song").style.height = height + "px";
  zoom(fitted ? 0 : scale, t, 0);
  draw();
  draw_map();
}
