// What hands do with the page: move and zoom, select and open, type and find; and the start of all.

// ---- the view: x and y of the picture's corner in the window, and the scale

const place = () => world.setAttribute("transform", `translate(${state.view[0]} ${state.view[1]}) scale(${state.view[2]})`);
const room = () => canvas.getBoundingClientRect();

function fit(first) {
  const { width, height } = room(), xs = [], ys = [];
  for (const { x, y, w, h: high } of [...scene.cards, ...scene.boxes]) { xs.push(x - 8, x + w + 12); ys.push(y - 14, y + high); }
  for (const { points } of scene.edges) for (const [x, y] of points) { xs.push(x); ys.push(y); }
  if (!xs.length || !width) { state.view = [0, 0, 1]; return; }
  const least = numbers => -most(numbers.map(x => -x), -Infinity);
  const [left, right, top, bottom] = [least(xs), most(xs, -Infinity), least(ys), most(ys, -Infinity)];
  const across = (width - 40) / (right - left), down = (height - 40) / (bottom - top), whole = Math.min(across, down, 1.5);
  const k = first && whole < 0.5 ? Math.min(across, 0.8) : whole; // at first words can be read: a tall picture begins at its top
  state.view = [(width - (left + right) * k) / 2, k > down ? 20 - top * k : (height - (top + bottom) * k) / 2, k];
}

function zoom(factor, x, y) {
  const [dx, dy, k] = state.view, to = Math.min(Math.max(k * factor, 0.02), 8);
  state.view = [x - (x - dx) * to / k, y - (y - dy) * to / k, to];
  place();
  writeHash();
}

function pan(dx, dy) {
  state.view = [state.view[0] + dx, state.view[1] + dy, state.view[2]];
  place();
  writeHash();
}

function bringIn(n, closer) {
  const card = scene.cards.find(face => face.n === n), { width, height } = room();
  if (!card) return;
  let [dx, dy, k] = state.view;
  if (closer && k < 0.7) k = 0.9;
  const x = (card.x + card.w / 2) * k + dx, y = (card.y + card.h / 2) * k + dy;
  const low = innerWidth <= 700 && !panel.classList.contains("empty") ? height * 0.45 : height; // on a phone the panel lies over the lower half
  if (k !== state.view[2] || x < 60 || y < 40 || x > width - 60 || y > low - 60) {
    state.view = [width / 2 - (card.x + card.w / 2) * k, low / 2 - (card.y + card.h / 2) * k, k];
    place();
  }
}

// ---- hands: pointers, wheel, keys

const pointers = new Map();
let moved = false;

canvas.addEventListener("pointerdown", event => {
  if (event.button) return;
  pointers.set(event.pointerId, [event.clientX, event.clientY]);
  if (pointers.size === 1) moved = false;
});
addEventListener("pointermove", event => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  const here = [event.clientX, event.clientY];
  if (pointers.size === 1) { // a drag goes on outside of the window too
    if (!moved && Math.hypot(here[0] - before[0], here[1] - before[1]) < 5) return;
    if (!moved) canvas.setPointerCapture(event.pointerId);
    moved = true;
    pan(here[0] - before[0], here[1] - before[1]);
  } else {
    const other = [...pointers].find(([id]) => id !== event.pointerId)[1], { left, top } = room();
    const far = p => Math.hypot(p[0] - other[0], p[1] - other[1]) || 1;
    moved = true;
    pan((here[0] - before[0]) / 2, (here[1] - before[1]) / 2);
    zoom(far(here) / far(before), (here[0] + other[0]) / 2 - left, (here[1] + other[1]) / 2 - top);
  }
  pointers.set(event.pointerId, here);
});
for (const end of ["pointerup", "pointercancel"]) addEventListener(end, event => pointers.delete(event.pointerId));
canvas.addEventListener("wheel", event => {
  event.preventDefault();
  const { left, top } = room(), lines = event.deltaMode ? 16 : 1;
  zoom(Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)), event.clientX - left, event.clientY - top);
}, { passive: false });
canvas.addEventListener("click", event => {
  if (moved) return;
  const button = event.target.closest(".toggle"), it = event.target.closest(".card, .box");
  if (button) toggle(Number(button.id.slice(1)));
  else if (it) act(it.id);
  else select(null);
});
function act(id) { // once selects, once more opens or closes
  const call = id.startsWith("nm") ? Number(id.slice(2)) : id[0] === "b" ? Number(id.slice(1)) : -1;
  if (state.at === id && call >= 0) toggle(call); else select(id);
}
canvas.addEventListener("pointerover", event => {
  if (event.pointerType === "touch" || pointers.size) return;
  const id = event.target.closest(".card")?.id ?? null;
  if (id !== hovered) { hovered = id; tell(); }
});
canvas.addEventListener("pointerleave", () => { if (hovered) { hovered = null; tell(); } });

addEventListener("keydown", event => {
  const { key, target } = event, step = event.shiftKey ? 200 : 60;
  const typing = target.matches("input[type=search], select") || (target === slider && key.startsWith("Arrow"));
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (key === "Escape") {
    play(false);
    if (typing) target.blur();
    if (state.find) search(""); else { state.step = 0; select(null); }
    return;
  }
  if (typing) return;
  const moves = { ArrowLeft: [step, 0], ArrowRight: [-step, 0], ArrowUp: [0, step], ArrowDown: [0, -step] }, { width, height } = room();
  if (moves[key]) pan(...moves[key]);
  else if (key === "+" || key === "=") zoom(1.25, width / 2, height / 2);
  else if (key === "-") zoom(0.8, width / 2, height / 2);
  else if (key === "0") byId("fit").click();
  else if (key === "/") byId("find").focus();
  else if (key === "[" || key === "]") goTo(state.step + (key === "]" ? 1 : -1));
  else if ((key === "Enter" || key === " ") && target.closest(".card, .box")) {
    const { id } = target.closest(".card, .box");
    if (id.startsWith("nm") || id[0] === "b") toggle(Number(id.replace(/^\D+/, ""))); else select(id);
  } else return;
  event.preventDefault();
});

function search(text) {
  state.find = byId("find").value = text;
  mark();
  writeHash();
}

byId("find").addEventListener("input", event => search(event.target.value));
byId("find").addEventListener("keydown", event => { if (event.key === "Enter") nextFound(); });
byId("mode").append(...modes().map(([mode, name]) => h("option", { value: mode }, clean(name))));
byId("mode").addEventListener("change", event => { state.mode = event.target.value; draw(); writeHash(); });
byId("all").addEventListener("click", openAll);
byId("reset").addEventListener("click", () => { state.open = new Set(START); state.view = null; draw(); writeHash(); });
byId("fit").addEventListener("click", () => { fit(false); place(); writeHash(); });
byId("theme").addEventListener("click", () => { state.dark = !dark; draw(); writeHash(); });
byId("play").addEventListener("click", () => play(!playing));
slider.max = D.steps.length;
slider.addEventListener("input", () => { play(false); goTo(Number(slider.value)); });
prefers.addEventListener("change", draw);
let touched = false;
addEventListener("resize", () => { if (!touched) { state.view = null; draw(); } });
for (const kind of ["pointerdown", "wheel", "keydown"]) addEventListener(kind, () => { touched = true; }, { capture: true, passive: true });

function start() {
  readHash();
  byId("find").value = state.find;
  touched = state.view !== null;
  draw();
  const now = D.steps[state.step - 1];
  if (now && !state.at) select(`n${nameOf(cardOf(now[0]))}`);
  const at = scene.cards.find(card => state.at === `n${nameOf(card.n)}`);
  if (at && !touched) bringIn(at.n);
}
addEventListener("hashchange", () => { if (location.hash !== written) start(); });
start();
