// The page itself: its state, which is also the URL's hash (open modules, colours, card, step, view, theme, search), and how it is shown.

const START = new Set(D.open), canvas = byId("canvas"), world = byId("world"), panel = byId("panel"), slider = byId("step");
const prefers = matchMedia("(prefers-color-scheme: dark)");
const state = { open: new Set(START), mode: D.mode, at: null, step: 0, view: null, dark: null, find: "" };
let scene, hovered = null, playing = 0, written = null, later = 0;

// ---- state and hash

function readHash() {
  const given = new URLSearchParams(location.hash.slice(1)), has = key => given.has(key);
  const calls = given.get("open")?.split(",").filter(text => text).map(Number).filter(call => D.calls[call]);
  state.open = has("open") ? new Set(calls.flatMap(around)) : new Set(START);
  for (const [call, { up, kind }] of D.calls.entries()) if (kind === "repeat" && has("open") && (up < 0 || state.open.has(up))) state.open.add(call);
  if (has("closed")) for (const call of given.get("closed").split(",")) state.open.delete(Number(call));
  state.mode = modes().some(([mode]) => mode === given.get("mode")) ? given.get("mode") : D.mode;
  state.at = given.get("at");
  state.step = Math.min(Math.max(0, Math.floor(Number(given.get("step"))) || 0), D.steps.length);
  const view = given.get("view")?.split(",").map(Number);
  state.view = view?.length === 3 && view.every(Number.isFinite) && view[2] > 0 ? view : null;
  state.dark = has("dark") ? given.get("dark") === "1" : null;
  state.find = given.get("find") ?? "";
}

function writeHash() {
  clearTimeout(later);
  later = setTimeout(() => {
    const same = state.open.size === START.size && [...state.open].every(call => START.has(call));
    const shut = D.calls.flatMap(({ up, kind }, call) => kind === "repeat" && (up < 0 || state.open.has(up)) && !state.open.has(call) ? [call] : []);
    const parts = [!same && `open=${[...state.open].sort((a, b) => a - b).join()}`, !same && shut.length && `closed=${shut.join()}`,
      state.mode !== D.mode && `mode=${encodeURIComponent(state.mode)}`, state.at && `at=${state.at}`, state.step && `step=${state.step}`,
      state.view && `view=${state.view.map(x => +x.toFixed(3)).join()}`, state.dark !== null && `dark=${+state.dark}`,
      state.find && `find=${encodeURIComponent(state.find)}`].filter(part => part);
    written = parts.length ? `#${parts.join("&")}` : "";
    try { history.replaceState(null, "", written || location.pathname + location.search); } catch { /* a page that may not say where it is */ }
  }, 150);
}

const around = call => { const chain = []; for (; call >= 0; call = D.calls[call].up) chain.push(call); return chain; };
const heatModes = Object.entries(D.heats).map(([mode, heat]) => [mode, heat.name]);
const modes = () => [["op", "kind of op"], ...(D.audited ? [["audit", "audit"]] : []), ...heatModes];

// ---- drawing

const isModule = card => card.n < 0;

function draw() {
  dark = state.dark ?? prefers.matches;
  document.documentElement.className = dark ? "dark" : "light";
  const focused = document.activeElement?.id;
  scene = sceneOf(state.open, state.mode);
  const edges = [...scene.edges].sort((a, b) => a.main - b.main || a.loop - b.loop);
  const layer = (name, nodes) => el("g", { class: name }, ...nodes);
  world.replaceChildren(layer("boxes", scene.boxes.map(boxInk)), layer("edges", edges.map(edgeInk)),
    layer("cards", scene.cards.map(card => cardInk(card, scene))), layer("labels", scene.edges.filter(e => e.textAt).flatMap(edgeLabel)),
    layer("toggles", [...scene.cards.filter(isModule).map(card => toggleInk(-1 - card.n, card.x - 2, card.y + card.h / 2, true)),
      ...scene.boxes.map(box => toggleInk(box.n, box.x, box.y + 15, false))]));
  const reachable = (id, label) => {
    const g = byId(id);
    g.setAttribute("tabindex", "0");
    g.setAttribute("role", "button");
    g.setAttribute("aria-label", clean(label));
  };
  for (const card of scene.cards) {
    reachable(`n${nameOf(card.n)}`, `${card.title}, ${card.shape}${isModule(card) ? ", closed module, Enter opens it" : ""}`);
  }
  for (const box of scene.boxes) reachable(`b${box.n}`, `${box.title}, open module, Enter closes it`);
  const kinds = verdictsOf(scene.cards), worst = ["failed", "wrong", "victim", "changed"].find(kind => kinds.has(kind));
  byId("title").textContent = clean(scene.title);
  byId("title").style.color = tint(SAID[worst] ?? INK);
  byId("subtitle").textContent = clean(scene.subtitle);
  byId("legend").replaceChildren(...scene.legend.map(key => h("span", {}, legendInk(key), clean(key.text))));
  byId("mode").value = state.mode;
  if (focused && /^[nb]/.test(focused)) byId(focused)?.focus({ preventScroll: true });
  if (!state.view) fit(true);
  place();
  mark();
}

function toggleInk(call, x, y, open) {
  return titled("g", { id: `t${call}`, class: "toggle" }, open ? "open" : "close",
    el("circle", { cx: x, cy: y, r: 13, fill: "none", "pointer-events": "all" }),
    el("circle", { cx: x, cy: y, r: 7, fill: PAPER, stroke: SLATE, "stroke-width": 1.4 }),
    el("path", { d: `M${num(x - 3.5)} ${num(y)}h7${open ? `M${num(x)} ${num(y - 3.5)}v7` : ""}`, stroke: SLATE, "stroke-width": 1.6 }));
}

// What is selected, found, lit by the backward pass: classes on what is drawn, and the words beside it.
function mark() {
  const shown = n => n < 0 ? n : scene.stands.get(n), steps = D.steps.slice(0, state.step), now = steps.at(-1), current = now && cardOf(now[0]);
  const reached = new Set(steps.flatMap(step => [cardOf(step[0]), ...step[4].map(([tile]) => cardOf(tile))])), hits = found();
  const hitCards = new Set(hits), holds = new Set(hits.map(shown).filter(n => n < 0 && !hitCards.has(n)));
  canvas.classList.toggle("playing", state.step > 0);
  canvas.classList.toggle("finding", hits.length > 0);
  for (const card of scene.cards) {
    const { classList } = byId(`n${nameOf(card.n)}`);
    classList.toggle("at", state.at === `n${nameOf(card.n)}`);
    classList.toggle("found", hitCards.has(card.n));
    classList.toggle("holds", holds.has(card.n));
    classList.toggle("lit", reached.has(card.n));
    classList.toggle("now", current === card.n);
  }
  for (const box of scene.boxes) byId(`b${box.n}`).classList.toggle("at", state.at === `b${box.n}`);
  const sent = new Set(now ? now[4].map(([tile]) => cardOf(tile)) : []);
  for (const edge of scene.edges) {
    const { classList } = byId(`e${nameOf(edge.source)}-${nameOf(edge.target)}${edge.loop ? "-loop" : ""}`);
    classList.toggle("flow", edge.target === current && sent.has(edge.source));
    classList.toggle("lit", reached.has(edge.source) && reached.has(edge.target));
  }
  byId("found").textContent = state.find ? `${hits.length} found` : "";
  say(now);
  tell();
}

// The card that shows for a tile: itself, the closed module it is in, or, for a parameter that is a chip, the card that wears it.
function cardOf(n) {
  return scene.stands.get(WEARER.get(n) ?? n);
}
const WEARER = new Map(D.tiles.flatMap(tile => tile.chips.map(chip => [chip.n, tile.n])));

function tell() {
  const name = hovered ?? state.at, number = name && Number(name.slice(name[1] === "m" ? 2 : 1));
  const card = name?.[0] === "n" && scene.cards.find(face => face.n === (name[1] === "m" ? -1 - number : number));
  const box = name?.[0] === "b" && scene.boxes.find(({ n }) => n === number);
  panel.classList.toggle("empty", !card && !box);
  if (card) panel.replaceChildren(dismiss(), ...cardPanel(card, isModule(card) ? () => toggle(-1 - card.n) : null).filter(part => part));
  else if (box) panel.replaceChildren(dismiss(), ...boxPanel(box.n, () => toggle(box.n)));
  else panel.replaceChildren(...helpPanel());
}

function dismiss() {
  const node = h("button", { class: "dismiss", "aria-label": "close this panel" }, "×");
  node.addEventListener("click", () => select(null));
  return node;
}

// ---- the backward pass

function say(now) {
  slider.value = state.step;
  const said = byId("said"), total = D.steps.length;
  byId("play").disabled = slider.disabled = !total;
  if (!now) {
    const none = D.nothing ? `the backward pass cannot be played: ${D.nothing}` : "there is no backward pass to play";
    said.replaceChildren(h("span", {}, total ? `backward pass, ${total} step${total === 1 ? "" : "s"}: move the slider, or play it` : none));
    return;
  }
  const [tile, round, op, incoming, sent, line] = now, copies = FACES.get(tile)?.copies ?? 1;
  const short = D.ops[op].rules.filter(([, text]) => text && !text.includes("\n"));
  said.replaceChildren(...[h("b", {}, `step ${state.step} / ${total}`), h("b", { class: "op" }, clean(D.ops[op].name)),
    copies > 1 ? h("span", {}, `round ${round + 1} of ${copies}`) : null, h("span", {}, `incoming ∇ rms ${incoming}`),
    h("span", {}, sent.length ? `→ ${sent.map(([, name, rms]) => `${clean(name)} ${rms}`).join(", ")}` : "→ nothing"),
    ...short.map(([name, text]) => h("code", {}, `${name ? `${clean(name)}: ` : ""}${clean(text)}`)),
    line ? h("i", {}, clean(line.replace("    ", "  "))) : null].filter(part => part));
}

function goTo(step) {
  state.step = Math.min(Math.max(step, 0), D.steps.length);
  const now = D.steps[state.step - 1];
  if (now) { state.at = `n${nameOf(cardOf(now[0]))}`; hovered = null; }
  mark();
  if (now) bringIn(cardOf(now[0]));
  writeHash();
}

function play(on) {
  clearInterval(playing);
  playing = 0;
  if (on) {
    if (state.step >= D.steps.length) state.step = 0;
    const pause = Math.min(700, Math.max(60, 15000 / D.steps.length));
    playing = setInterval(() => { goTo(state.step + 1); if (state.step >= D.steps.length) play(false); }, pause);
  }
  byId("play").textContent = on ? "❚❚" : "▶";
}

// ---- opening, finding, selecting

function toggle(call) {
  if (D.calls[call] === undefined) return;
  const opening = !state.open.has(call), before = anchor(opening ? `nm${call}` : `b${call}`), [, , k] = state.view;
  if (opening) {
    for (const one of around(call)) state.open.add(one);
    D.calls.forEach(({ up, kind }, one) => { if (kind === "repeat" && up === call) state.open.add(one); });
    if (collapse(state.open).tiles.size > D.limit) { state.open.delete(call); byId("found").textContent = `more than ${D.limit} cards`; return; }
  } else state.open.delete(call);
  state.at = opening ? `b${call}` : `nm${call}`;
  draw();
  const after = anchor(opening ? `b${call}` : `nm${call}`);
  if (before && after) state.view = [state.view[0] + (before[0] - after[0]) * k, state.view[1] + (before[1] - after[1]) * k, k];
  if (!after) select(null);
  place();
  byId(opening ? `b${call}` : `nm${call}`)?.focus({ preventScroll: true });
  writeHash();
}

function anchor(id) {
  const card = scene.cards.find(face => id === `n${nameOf(face.n)}`), box = scene.boxes.find(({ n }) => id === `b${n}`), it = card ?? box;
  return it ? [it.x + it.w / 2, it.y] : null;
}

function openAll() {
  const all = new Set(D.calls.keys());
  if (collapse(all).tiles.size > D.limit) { byId("found").textContent = `more than ${D.limit} cards`; return; }
  state.open = all;
  state.view = null;
  draw();
  writeHash();
}

function found() {
  const text = state.find.trim().toLowerCase();
  if (!text) return [];
  const own = face => face.n < 0 ? [] : [face.path, face.name, face.origin, face.op === undefined ? "" : D.ops[face.op].name];
  const has = face => [face.title, face.shape, ...face.lines, ...own(face), ...face.chips.flatMap(chip => [chip.label, chip.shape, chip.tip])]
    .some(part => part?.toLowerCase().includes(text));
  const tiles = D.tiles.filter(tile => !WEARER.has(tile.n) && has(tile));
  const modules = D.modules.filter(face => has(face) && scene.cards.some(card => card.n === face.n));
  return [...modules, ...tiles].map(face => face.n);
}

function nextFound() {
  const hits = found();
  if (!hits.length) return;
  const i = hits.findIndex(n => `n${nameOf(n)}` === state.at), n = hits[(i + 1) % hits.length], face = FACES.get(n);
  for (const call of around(face.call)) state.open.add(call);
  state.at = `n${nameOf(n)}`;
  hovered = null;
  draw();
  bringIn(n, true);
  writeHash();
}

function select(id) {
  state.at = id;
  hovered = null;
  mark();
  writeHash();
}
