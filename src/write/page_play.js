/* page_play.js - the second half of the page's script, behind page.js: what is
   heard, and what hands do. One function with it. */

/* ---- position and sound ---- */

let position = begin;
let follow = true;
let origin = begin; /* of the sound, in the file */
let said = "";

function show_now() {
  const parts = [];
  const i = last(beats, "time", position), b = beats[i];
  const add = (text, paint) => parts.push([text, paint]);

  if (data.structure && at(data.structure, position))
    add(plain(at(data.structure, position)),
      section_colour(at(data.structure, position).label));
  if (data.chords && at(data.chords, position))
    add(chord_text(at(data.chords, position)),
      chord_colour(at(data.chords, position).label));
  if (b && b.position && b.bar)
    add("bar " + b.bar + " \u00b7 " + b.position, colour.soft);
  const text = parts.join();

  if (text === said)
    return;
  said = text;
  $("now").replaceChildren(...parts.map(([word, paint]) => {
    const s = document.createElement("span");

    s.textContent = word;
    s.style.background = paint;
    return s;
  }));
}

function show_position() {
  const share = (position - begin) / (end - begin);

  $("head").style.transform = `translateX(${x_of(position)}px)`;
  $("maphead").style.left = 100 * share + "%";
  $("time").textContent = clock(position, 1);
  show_now();
  if (Math.floor(position) + "" !== scroll.getAttribute("aria-valuenow")) {
    scroll.setAttribute("aria-valuenow", Math.floor(position));
    scroll.setAttribute("aria-valuetext", [clock(position, 0)].concat(
      [...$("now").children].map(s => s.textContent)).join(", "));
  }
}

function set_follow(on) {
  follow = on;
  $("follow").setAttribute("aria-pressed", on);
}

/* Brings the position into view: where it is followed 40 % from the left. */
function reveal() {
  const x = x_of(position) - scroll.scrollLeft;

  if (!fitted && (x < 0 || x > width))
    scroll.scrollLeft = x_of(position) - 0.4 * width;
}

function seek(t) {
  position = Math.min(end, Math.max(begin, t));
  if (audio.src)
    audio.currentTime = Math.max(0, position - origin);
  show_position();
}

function tick() {
  if (audio.paused)
    return;
  position = Math.min(end, origin + audio.currentTime);
  show_position();
  if (follow && !fitted) {
    scroll.scrollLeft = x_of(position) - 0.4 * width;
    if (Math.abs(scroll.scrollLeft - left) > 0.1)
      draw();
  }
  requestAnimationFrame(tick);
}

function toggle_play() {
  if (!audio.src)
    return;
  if (!audio.paused)
    audio.pause();
  else
    audio.play().catch(() => 0); /* the event "error" says it */
}

function playing_changed() {
  $("play").classList.toggle("playing", !audio.paused);
  $("play").setAttribute("aria-label", audio.paused ? "Play" : "Pause");
  if (!audio.paused)
    tick();
}

function step_bar(way) {
  const i = last(downbeats, "time", position + (way > 0 ? 0.01 : -0.3));
  const b = downbeats[way > 0 ? i + 1 : i];

  seek(b ? b.time : way > 0 ? end : begin);
}

/* A Blob of it can be sought in everywhere, a long data: URI cannot. */
function take_sound() {
  const uri = audio.getAttribute("src");

  if (!uri)
    return;
  audio.src = URL.createObjectURL(new Blob(
    [bytes(uri.slice(uri.indexOf(",") + 1))], { type: "audio/flac" }));
  audio.currentTime = position - origin;
}

function open_song(file) {
  audio.src = URL.createObjectURL(file);
  origin = 0;
  $("play").hidden = false;
  seek(position);
}

/* ---- around it ---- */

function put_facts() {
  const add = (name, value, small) => {
    const box = document.createElement("div");
    const dt = document.createElement("dt"), dd = document.createElement("dd");

    dt.textContent = name;
    dd.textContent = value;
    if (small) {
      const s = document.createElement("small");

      s.textContent = " " + small;
      dd.append(s);
    }
    box.append(dt, dd);
    $("facts").append(box);
  };

  if (data.duration != null)
    add("Duration", clock(data.duration, 0),
      begin ? "from " + clock(begin, 1) : "");
  if (data.tempo && data.tempo.bpm != null)
    add("Tempo", data.tempo.bpm.toFixed(1),
      ["bpm", sure(data.tempo.confidence)].filter(Boolean).join(" \u00b7 "));
  if (data.meter)
    add("Metre", data.meter, "beats in a bar");
  if (key)
    add("Key", signs(key.label), sure(key.confidence));
  if (data.model)
    add("Model", data.model.name || "unnamed",
      (data.model.sha256 || "").slice(0, 8));
}

function put_tags() {
  $("tags").hidden = !data.tags;
  for (const tag of data.tags || []) {
    const li = document.createElement("li");
    const [name, bar, score] = ["span", "i", "b"].map(e =>
      li.appendChild(document.createElement(e)));

    name.textContent = name.title = tag.label;
    bar.style.setProperty("--share", 100 * (tag.score || 0) + "%");
    score.textContent = tag.score == null ? "" : tag.score.toFixed(2);
    $("tags").lastElementChild.append(li);
  }
}

/* For readers that do not see the picture; long, so made when it is opened. */
function put_list(name, list, text) {
  const box = document.createElement("section");
  const table = box.appendChild(document.createElement("table"));

  table.createCaption().textContent = name;
  for (const s of list || []) {
    const row = table.insertRow(), go = document.createElement("button");

    go.type = "button";
    go.textContent = clock(s.start, 2);
    go.onclick = () => { seek(s.start); reveal(); };
    row.insertCell().append(go);
    row.insertCell().textContent = text(s);
    row.insertCell().textContent = percent(s.confidence);
  }
  if (list)
    $("lists").lastElementChild.append(box);
}

function put_lists() {
  if ($("lists").lastElementChild.children.length)
    return;
  put_list("Sections", data.structure, plain);
  put_list("Chords", data.chords, chord_text);
  put_list("Keys", keys, key_text);
}

function put_words() {
  const count = (list, one, many) =>
    list ? [list.length + " " + (list.length === 1 ? one : many)] : [];

  $("name").textContent = (data.file || "").replace(/.*\//, "") || "?";
  $("name").title = data.file || "";
  $("total").textContent = "/ " + clock(end, 0);
  $("about").textContent = "mfm " + (data.mfm || "") + (data.model
    ? ", model " + data.model.name + " " + (data.model.sha256 || "") : "");
  $("summary").textContent = [].concat(
    count(data.structure, "section", "sections"),
    count(data.beats, "beat", "beats"), count(data.chords, "chord", "chords"),
    count(data.tags, "tag", "tags")).join(", ");
  scroll.setAttribute("aria-valuemin", Math.floor(begin));
  scroll.setAttribute("aria-valuemax", Math.ceil(end));
  $("lists").hidden = !(data.structure || data.chords || keys);
  $("play").hidden = !audio.src;
  $("open").hidden = !!audio.src;
}

function set_theme(name) {
  root.dataset.theme = name;
  read_colours();
  said = "";
  show_now();
  redraw();
  draw_map();
}

/* ---- hands ---- */

/* not by left: that is what was drawn, a frame ago */
const pointer_time = e => t_of(scroll.scrollLeft + e.clientX -
  view.getBoundingClientRect().left);

function show_tip(e) {
  const tip = $("tip"), y = e.clientY - view.getBoundingClientRect().top;
  const t = pointer_time(e);
  const l = lanes.find(o => o.tell && y >= o.y && y < o.y + o.h);
  const [head, ...rest] = (l && l.tell(t)) || ["", clock(t, 2)];

  tip.replaceChildren();
  if (head) {
    tip.append(document.createElement("b"));
    tip.firstChild.textContent = head;
  }
  tip.append(rest.filter(Boolean).join(" \u00b7 "));
  tip.hidden = false;
  const w = tip.offsetWidth, h = tip.offsetHeight;
  const x = Math.min(innerWidth - w - 8, Math.max(8, e.clientX + 14));
  const top = e.clientY + 18 + h < innerHeight ? e.clientY + 18
    : e.clientY - h - 12;

  tip.style.transform = `translate(${x}px, ${top}px)`;
}

let held = false;

view.addEventListener("pointerdown", e => {
  if (e.pointerType === "touch" || e.button)
    return;
  held = true;
  view.setPointerCapture(e.pointerId);
  seek(pointer_time(e));
});
view.addEventListener("pointermove", e => {
  if (held)
    seek(pointer_time(e));
  if (e.pointerType !== "touch")
    show_tip(e);
});
for (const name of ["pointerup", "pointercancel"])
  view.addEventListener(name, () => { held = false; });
view.addEventListener("pointerleave", () => { $("tip").hidden = true; });
/* a finger scrolls when it moves, and seeks when it does not */
view.addEventListener("click", e => seek(pointer_time(e)));

scroll.addEventListener("wheel", e => {
  const offset = e.clientX - view.getBoundingClientRect().left;

  if (Math.abs(e.deltaX) > Math.abs(e.deltaY) || e.shiftKey) {
    set_follow(false);
    return;
  }
  if (fitted && e.deltaY > 0 && !e.ctrlKey)
    return; /* the page may scroll on */
  e.preventDefault();
  zoom(scale * Math.exp(-Math.max(-100, Math.min(100, e.deltaY *
    (e.deltaMode ? 30 : 1))) * (e.ctrlKey ? 0.01 : 0.003)),
    t_of(scroll.scrollLeft + offset), offset);
}, { passive: false });
/* Two fingers: the time between them stays there. */
let pinch = null;

function two_fingers(e) {
  const [a, b] = e.touches;

  return { apart: Math.max(1, Math.hypot(a.clientX - b.clientX,
    a.clientY - b.clientY)), offset: (a.clientX + b.clientX) / 2 -
    view.getBoundingClientRect().left };
}
for (const name of ["touchstart", "touchend", "touchcancel"])
  scroll.addEventListener(name, e => {
    const f = e.touches.length === 2 && two_fingers(e);

    pinch = f && { scale: scale / f.apart,
      time: t_of(scroll.scrollLeft + f.offset) };
  }, { passive: true });
scroll.addEventListener("touchmove", e => {
  set_follow(false);
  if (!pinch)
    return;
  const f = two_fingers(e);

  if (e.cancelable)
    e.preventDefault();
  zoom(pinch.scale * f.apart, pinch.time, f.offset);
}, { passive: false });
scroll.addEventListener("scroll", () => {
  if (scroll.scrollLeft !== left) /* tick() has drawn */
    redraw();
});

function map_move(e) {
  const box = map.getBoundingClientRect();
  const t = begin + (e.clientX - box.left) / box.width * (end - begin);

  if (fitted)
    seek(t);
  else
    scroll.scrollLeft = x_of(t) - width / 2;
}
map.addEventListener("pointerdown", e => {
  map.setPointerCapture(e.pointerId);
  set_follow(fitted && follow);
  map_move(e);
});
map.addEventListener("pointermove", e => {
  if (e.buttons)
    map_move(e);
});

$("play").onclick = toggle_play;
$("in").onclick = () => zoom_by(1.6);
$("out").onclick = () => zoom_by(1 / 1.6);
$("fit").onclick = () => zoom(0, begin, 0);
$("follow").onclick = () => { set_follow(!follow); reveal(); };
$("help").onclick = () => $("keys").open ? $("keys").close()
  : $("keys").showModal();
$("theme").onclick = () => set_theme(colour.dark ? "light" : "dark");
$("open").querySelector("input").onchange = e => {
  if (e.target.files[0])
    open_song(e.target.files[0]);
};
$("lists").addEventListener("toggle", put_lists);

const KEYS = {
  " ": toggle_play, "+": () => zoom_by(1.6), "=": () => zoom_by(1.6),
  "-": () => zoom_by(1 / 1.6), "0": () => zoom(0, begin, 0),
  f: $("follow").onclick, d: $("theme").onclick, "?": $("help").onclick,
  Home: () => seek(begin), End: () => seek(end),
  ArrowLeft: e => e.shiftKey ? step_bar(-1) : seek(position - 5),
  ArrowRight: e => e.shiftKey ? step_bar(1) : seek(position + 5),
};
document.addEventListener("keydown", e => {
  const act = KEYS[e.key.length === 1 ? e.key.toLowerCase() : e.key];

  if (!act || e.ctrlKey || e.altKey || e.metaKey ||
      e.key === " " && e.target.matches("button, summary, input"))
    return;
  e.preventDefault();
  act(e);
  if (/^(Arrow|Home|End)/.test(e.key))
    reveal();
});

for (const name of ["play", "pause", "ended"])
  audio.addEventListener(name, playing_changed);
audio.addEventListener("error", () => {
  $("now").textContent = "This browser cannot play the sound.";
});
matchMedia("(prefers-color-scheme: dark)").addEventListener("change",
  e => set_theme(e.matches ? "dark" : "light"));

/* #t=12,25 is what to show, #t=12 where to stand, &theme=dark. */
function read_fragment() {
  const f = new URLSearchParams(location.hash.slice(1));
  const [a, b] = (f.get("t") || "").split(",").map(parseFloat);

  if (/^(light|dark)$/.test(f.get("theme")))
    set_theme(f.get("theme"));
  if (a >= 0)
    seek(a);
  if (b > a)
    show_span(a, b);
}

put_words();
put_facts();
put_tags();
read_colours();
resize();
read_fragment();
new ResizeObserver(resize).observe(scroll);
addEventListener("hashchange", read_fragment);
setTimeout(take_sound);
})();
