// A scene as SVG elements: `drawing/ink.py` once more, element by element, with the colours of the page's theme. Every word becomes the text of
// a node (textContent, setAttribute), never markup. D.styles are the looks of cards in the light; DARK says what each colour is in the dark.

const SVG = "http://www.w3.org/2000/svg";
const INK = "#1F2933", SOFT = "#52606D", LINE = "#7B8794", PAPER = "#FFFFFF", BLUE = "#0077BB", ORANGE = "#EE7733", RED = "#CC3311";
const VALUE = "#2F4B7C", GRAD = "#7A4FA3", SLATE = "#3D5A80";
const DARK = {
  "#FFFFFF": "#141A21", "#1F2933": "#E8ECF1", "#52606D": "#AAB5C0", "#7B8794": "#8593A1", "#0077BB": "#4BA9E3", "#EE7733": "#F0914F",
  "#CC3311": "#FF7A5C", "#2F4B7C": "#8DB2EC", "#7A4FA3": "#C49DEB", "#DCEBF7": "#15344D", "#EDE6F5": "#2D2343", "#F1F3F5": "#262E37",
  "#E3E7EC": "#323C47", "#FDF0E6": "#402A16", "#E8EEF7": "#1F2E45", "#3D5A80": "#8FB0DB", "#3E4C59": "#A2B0BE", "#FBE3DD": "#4E1C12",
  "#ECEEF0": "#2B323A", "#E1F0FA": "#12334A", "#B0B8C1": "#5D6975", "#F7F9FC": "#181F28", "#EDF2F8": "#1D2631", "#B8C4D8": "#3F4F66",
  "#5F6C7B": "#94A3B3", "#94A0AD": "#66737F", "#B4500F": "#F5A66B", "#005A8E": "#7FC3F2",
};
const GLYPHS = { failed: "cross", wrong: "cross", victim: "cross", changed: "bang", unknown: "query", ok: "tick" };
const SHAPES = { tick: "M-3 0.2l2.2 2.4l4 -4.6", cross: "M-2.4 -2.4l4.8 4.8M2.4 -2.4l-4.8 4.8", bang: "M0 -3.4v4M0 2.6v0.9",
  query: "M-1.8 -1.6a1.9 1.9 0 1 1 2.6 1.8q-0.8 0.5 -0.8 1.2M0 3v0.6" };
const SAID = { failed: RED, wrong: RED, victim: "#B4500F", changed: "#B4500F", ok: "#005A8E" };
let dark = false;

const tint = colour => dark ? DARK[colour] ?? colour : colour;
const num = x => { const text = round1(x).toFixed(1); return text.endsWith(".0") ? text.slice(0, -2) : text; };
const clean = text => text.replace(/[\x00-\x08\x0b\x0c\x0e-\x1f]/g, "\ufffd");

function el(tag, attributes, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (value !== null) node.setAttribute(key, ["fill", "stroke"].includes(key) ? tint(value) : typeof value === "number" ? num(value) : value);
  }
  node.append(...children.filter(child => child));
  return node;
}

function words(x, y, text, size, colour, bold) {
  if (!text) return null;
  const node = el("text", { x, y, "font-size": size, fill: colour, "font-weight": bold ? "bold" : null, textLength: textWidth(text, size, bold),
    lengthAdjust: "spacingAndGlyphs" });
  node.textContent = clean(text);
  return node;
}

function titled(tag, attributes, tip, ...children) {
  const title = document.createElementNS(SVG, "title");
  title.textContent = clean(tip);
  return el(tag, attributes, title, ...children);
}

const nameOf = n => n > 0 ? `${n}` : `m${-1 - n}`;

function boxInk(box) {
  return titled("g", { id: `b${box.n}`, class: "box" }, box.tip,
    el("rect", { class: "frame", x: box.x, y: box.y, width: box.w, height: box.h, rx: 8,
      fill: box.level % 2 ? "#EDF2F8" : "#F7F9FC", stroke: "#B8C4D8" }),
    words(...box.titleAt, box.title, 11, SLATE, true));
}

// ---- edges

function pathOf(edge) {
  const { points } = edge, out = [`M${num(points[0][0])} ${num(points[0][1])}`];
  if (edge.loop) {
    const towards = (here, there, r) => {
      const far = Math.hypot(there[0] - here[0], there[1] - here[1]) || 1;
      return `${num(here[0] + (there[0] - here[0]) * r / far)} ${num(here[1] + (there[1] - here[1]) * r / far)}`;
    };
    for (let i = 1; i + 1 < points.length; i++) {
      const here = points[i], far = p => Math.max(Math.abs(p[0] - here[0]), Math.abs(p[1] - here[1])) / 2;
      const r = Math.min(8, far(points[i - 1]), far(points[i + 1]));
      out.push(`L${towards(here, points[i - 1], r)}Q${num(here[0])} ${num(here[1])} ${towards(here, points[i + 1], r)}`);
    }
    return `${out.join("")}L${num(points.at(-1)[0])} ${num(points.at(-1)[1])}`;
  }
  for (let i = 0; i + 1 < points.length; i++) {
    const [x, y] = points[i], [x2, y2] = points[i + 1];
    if (Math.abs(x - x2) < 0.05) out.push(`V${num(y2)}`);
    else if (Math.abs(y - y2) < 0.05) out.push(`H${num(x2)}`);
    else if (D.sideways) { const m = num((x + x2) / 2); out.push(`C${m} ${num(y)} ${m} ${num(y2)} ${num(x2)} ${num(y2)}`); }
    else { const m = num((y + y2) / 2); out.push(`C${num(x)} ${m} ${num(x2)} ${m} ${num(x2)} ${num(y2)}`); }
  }
  return out.join("");
}

function edgeInk(edge) {
  const [colour, wide] = edge.loop ? [INK, 1.6] : edge.main ? ["#5F6C7B", 1.8] : ["#94A0AD", 1.2], [x, y] = edge.points.at(-1);
  return titled("g", { id: `e${nameOf(edge.source)}-${nameOf(edge.target)}${edge.loop ? "-loop" : ""}`, class: "edge" }, edge.tip,
    el("path", { d: pathOf(edge), fill: "none", stroke: colour, "stroke-width": wide, "stroke-dasharray": edge.loop ? "5 3" : null }),
    el("path", { d: `M${num(x)} ${num(y)}${D.sideways ? "l-7 -3.6v7.2z" : "l-3.6 -7h7.2z"}`, fill: colour }));
}

function edgeLabel(edge) {
  const [x, y] = edge.textAt, wide = textWidth(edge.text, 10) + 8;
  return [el("rect", { x: x - wide / 2, y: y - 7.5, width: wide, height: 15, rx: 3, fill: PAPER, "fill-opacity": "0.92" }),
    words(x - wide / 2 + 4, y + 3.5, edge.text, 10, SOFT)];
}

// ---- cards

function lookOf(face, mode) {
  if (mode === "audit" || face.verdict?.[0] === "failed") return face.verdict ? face.verdict[0] : "none";
  return mode === "op" ? face.look : "none";
}

function cardInk(card, scene) {
  const { x, y, w, h } = card, look = lookOf(card, scene.mode), heat = card.heat[scene.mode];
  let [fill, border, wide, dashes] = D.styles[look];
  if (heat && scene.hot) {
    const [[low], [high]] = scene.hot;
    [fill, border, wide, dashes] = [heatColour(heat[0], low, high, D.heats[scene.mode].log), SLATE, 1.2, ""];
  }
  const frame = { width: w, height: h, rx: ["parameter", "data"].includes(card.look) ? 10 : 5, fill, stroke: border }, left = x + 9;
  const parts = card.stack ? [6, 3].map(d => el("rect", { x: x + d, y: y - d, ...frame, "stroke-width": 1 })) : [];
  parts.push(el("rect", { class: "frame", x, y, ...frame, "stroke-width": wide, "stroke-dasharray": dashes || null }),
    words(left, y + 17, card.title, 13, ["wrong", "failed"].includes(look) ? RED : INK, true),
    words(x + w - 9 - textWidth(card.shape, 10), y + 16, card.shape, 10, SOFT));
  if (card.badge) {
    const room = textWidth(card.badge, 10, true) + 12;
    parts.push(el("rect", { x: x + w - room + 10, y: y - 10, width: room, height: 15, rx: 7.5, fill: INK }),
      words(x + w - room + 16, y + 1, card.badge, 10, PAPER, true));
  }
  let row = y + 34;
  for (const line of card.lines) { parts.push(words(left, row, line, 10, SOFT)); row += 15; }
  if (card.value) { parts.push(...numbers(left, row, "y", VALUE, card.value)); row += 15; }
  if (card.grad) { parts.push(...numbers(left, row, "∇", GRAD, card.grad)); row += 15; }
  const tag = chip => textWidth(chip.label, 10, true) + 5 + textWidth(chip.shape, 9) + 12, tags = most(card.chips.map(tag), 0);
  row += card.chips.length ? 4 : 0;
  for (const chip of card.chips) { parts.push(chipInk(left, row, chip, tag(chip), tags, scene.mode)); row += 18; }
  if (card.verdict) {
    const [kind, text] = card.verdict;
    parts.push(...glyph(left + 6, row - 3, kind, 6), words(left + 17, row + 1, text, 10, SAID[kind] ?? SOFT, kind !== "ok"));
  }
  return titled("g", { id: `n${nameOf(card.n)}`, class: "card" }, card.tip, ...parts);
}

function numbers(x, y, sign, colour, { text, bars: levels, alarm, known }) {
  const parts = [sign === "∇" ? el("path", { d: `M${num(x)} ${num(y - 7)}h7l-3.5 7z`, fill: "none", stroke: colour, "stroke-width": 1.3 })
    : words(x, y, sign, 10, colour, true)];
  const left = x + 14 + (levels ? 50 : 0);
  if (levels) parts.push(bars(x + 14, y, levels, colour, 44));
  return [...parts, words(left, y, text, 10, alarm ? RED : !levels && known ? INK : SOFT, alarm)];
}

function bars(x, y, levels, colour, wide) {
  const step = wide / levels.length;
  const d = levels.map((level, i) => `M${num(x + i * step)} ${num(y)}v${level ? num(-level) : "-0.6"}h${num(step - 0.6)}V${num(y)}z`);
  return el("path", { d: d.join(""), fill: colour });
}

function chipInk(x, y, chip, wide, tags, mode) {
  const [fill, border] = D.styles[mode === "op" ? "parameter" : mode === "audit" && chip.verdict ? chip.verdict[0] : "none"];
  const parts = [el("rect", { x, y: y - 11, width: wide, height: 15, rx: 7.5, fill, stroke: border }), words(x + 6, y, chip.label, 10, INK, true),
    words(x + wide - 6 - textWidth(chip.shape, 9), y, chip.shape, 9, SOFT)];
  let left = x + tags + 8;
  for (const [levels, colour] of [[chip.value, VALUE], [chip.grad, GRAD]]) {
    if (levels) parts.push(bars(left, y, levels, colour, 26));
    left += 29;
  }
  if (chip.verdict && chip.verdict[0] !== "ok" && mode === "audit") parts.push(...glyph(x + wide - 2, y - 10, chip.verdict[0], 4.5));
  return titled("g", {}, chip.tip, ...parts, words(left + 1, y, chip.text, 10, SOFT));
}

function glyph(x, y, kind, r) {
  const fill = { failed: RED, wrong: RED, victim: ORANGE, changed: ORANGE, ok: BLUE }[kind] ?? LINE;
  const transform = `translate(${num(x)} ${num(y)}) scale(${num(r / 6)})`;
  return [el("circle", { cx: x, cy: y, r, fill }),
    el("path", { transform, d: SHAPES[GLYPHS[kind]], fill: "none", stroke: PAPER, "stroke-width": 1.5 })];
}

function heatColour(heat, low, high, log) {
  const [from, to] = dark ? [[0x1A, 0x22, 0x2B], [0x1F, 0x5F, 0x8F]] : [[0xF7, 0xFA, 0xFD], [0x8C, 0xC3, 0xE8]];
  if (log) [heat, low, high] = [heat, low, high].map(x => x > 0 ? Math.log10(x) : -Infinity);
  if (heat === -Infinity) return PAPER;
  const t = high > low ? Math.min(Math.max((heat - low) / (high - low), 0), 1) : 1;
  return `#${from.map((a, i) => Math.round(a + (to[i] - a) * t).toString(16).padStart(2, "0")).join("").toUpperCase()}`;
}

function legendInk(key) {
  const hot = key.look === "hot", [fill, border, wide, dashes] = ["cold", "hot"].includes(key.look)
    ? [heatColour(+hot, 0, 1, false), SLATE, 1, ""] : D.styles[key.look];
  return el("svg", { width: 18, height: 15, viewBox: "-2 -2 18 15", "aria-hidden": "true" },
    el("rect", { x: 0, y: 0, width: 14, height: 11, rx: 2.5, fill, stroke: border, "stroke-width": Math.min(wide, 2.2),
      "stroke-dasharray": dashes || null }),
    ...(GLYPHS[key.look] ? glyph(7, 5.5, key.look, 4.5) : []));
}
