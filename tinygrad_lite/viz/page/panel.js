// What there is to say about one card: words, the user's line, the op's rules, and heat-maps of value and gradient. Words go in as text,
// never as markup.

const byId = id => document.getElementById(id);

function h(tag, attributes, ...children) {
  const node = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter(child => child !== null && child !== undefined && child !== ""));
  return node;
}

// face: a card; open: what to call to open it, or null
function cardPanel(face, open) {
  const op = face.op === undefined ? null : D.ops[face.op], module = face.n < 0, parts = [];
  parts.push(h("h2", {}, clean(face.title), h("span", {}, clean(face.shape))));
  if (open) parts.push(button("open this module", open));
  if (op && !module && op.doc) parts.push(h("p", { class: "doc" }, clean(op.doc)));
  if (face.verdict) parts.push(h("p", { class: `verdict ${face.verdict[0]}` }, clean(face.verdict[1])));
  if (face.origin) parts.push(origin(face.origin));
  parts.push(...maps(face.cells, module ? " of its result" : ""));
  const lines = (face.origin ? face.tip.slice(0, -face.origin.length - 1) : face.tip).split("\n");
  parts.push(h("ul", { class: "facts" }, ...lines.filter(line => line !== face.verdict?.[1]).map(line => h("li", {}, clean(line)))));
  for (const chip of face.chips) {
    parts.push(h("h3", {}, clean(chip.label), h("span", {}, `${clean(chip.shape)}, parameter`)), ...maps(chip.cells, ""));
    if (chip.verdict) parts.push(h("p", { class: `verdict ${chip.verdict[0]}` }, clean(chip.verdict[1])));
    if (!chip.cells) parts.push(h("ul", { class: "facts" }, ...chip.tip.split("\n").slice(1).map(line => h("li", {}, clean(line)))));
  }
  if (op && !module && op.rules.length) parts.push(h("h3", {}, "backward", h("span", {}, "g is dL/dy")), ...rules(op));
  return parts;
}

function boxPanel(call, close) {
  const { path, kind, tip } = D.calls[call];
  return [h("h2", {}, clean(path || kind), h("span", {}, kind === "repeat" ? "" : clean(kind))), button("close this module", close),
    h("ul", { class: "facts" }, h("li", {}, clean(tip)), h("li", {}, `${OPS.get(call)} op${OPS.get(call) === 1 ? "" : "s"} inside`))];
}

const KEYS = [["drag, arrows", "move"], ["wheel, pinch, + −", "zoom"], ["0", "all in sight"], ["click, Tab", "select a card"],
  ["⊕ ⊖, Enter, second click", "open or close a module"], ["/", "find; Enter goes on"], ["[ ]", "step through the backward pass"],
  ["Escape", "let go"]];

function helpPanel() {
  return [h("p", { class: "doc" }, "Point at a card, or select it, to see its numbers, the line that made it and its gradient rule."),
    h("dl", {}, ...KEYS.flatMap(([key, does]) => [h("dt", {}, key), h("dd", {}, does)]))];
}

function button(text, act) {
  const node = h("button", { class: "act" }, text);
  node.addEventListener("click", act);
  return node;
}

function origin(text) {
  const [where, ...line] = text.split("    ");
  return h("p", { class: "line" }, clean(where), line.length ? h("code", {}, clean(line.join("    "))) : null);
}

function rules(op) {
  return op.rules.map(([name, text]) => h("p", { class: "rule" }, h("b", {}, name ? `→ ${clean(name)}` : "→ each input"),
    h("code", {}, text ? clean(text) : "its source is not at hand")));
}

function maps(cells, whose) {
  if (!cells) return [];
  const [value, grad] = cells;
  return [value && heatMap(`value${whose}`, value), grad ? heatMap(`gradient${whose}`, grad) : null];
}

// ---- heat-maps: blue above zero, orange with a stroke below, so that where a cell has room the sign is read without colour too

function heatMap(title, [rows, columns, ofRows, ofColumns, said, top, text]) {
  const size = Math.max(4, Math.min(18, Math.floor(288 / columns), Math.floor(224 / rows))), scale = 2;
  const canvas = h("canvas", { width: columns * size * scale, height: rows * size * scale, role: "img", style: `width:${columns * size}px`,
    "aria-label": `${title}: ${rows} by ${columns} numbers, at most ${said} in size` });
  const pen = canvas.getContext("2d"), paper = dark ? [0x14, 0x1A, 0x21] : [255, 255, 255], at = h("span", {}, `±${said}`);
  pen.scale(scale, scale);
  [...text].forEach((c, i) => cell(pen, D.code.indexOf(c), (i % columns) * size, Math.floor(i / columns) * size, size, paper));
  canvas.addEventListener("pointermove", event => {
    const column = Math.floor(event.offsetX / size), row = Math.floor(event.offsetY / size), i = row * columns + column;
    if (i < 0 || i >= text.length || column >= columns) return;
    at.textContent = `[${Math.floor(row * ofRows / rows)}, ${Math.floor(column * ofColumns / columns)}] ${about(D.code.indexOf(text[i]), top)}`;
  });
  canvas.addEventListener("pointerleave", () => { at.textContent = `±${said}`; });
  const part = rows * columns < ofRows * ofColumns && text.length >= rows * columns ? `${rows}×${columns} of ${ofRows}×${ofColumns}` : "";
  return h("figure", { class: "map" }, h("figcaption", {}, h("b", {}, title), at, part ? h("i", {}, part) : null), canvas);
}

function about(code, top) {
  const odd = code - 2 * D.shades;
  return odd > 0 ? ["nan", "inf", "−inf"][odd - 1] : `≈ ${((code - D.shades) / D.shades * top).toPrecision(2)}`.replace("-", "−");
}

function cell(pen, code, x, y, size, paper) {
  const odd = code - 2 * D.shades, t = (code - D.shades) / D.shades, inner = size - (size > 6 ? 1 : 0);
  const end = t < 0 ? [0xEE, 0x77, 0x33] : [0x00, 0x6B, 0xB5];
  pen.fillStyle = odd > 0 ? tint(odd === 1 ? RED : INK) : `rgb(${paper.map((a, i) => Math.round(a + (end[i] - a) * Math.abs(t))).join()})`;
  pen.fillRect(x, y, inner, inner);
  if (size < 9) return;
  const m = size / 2 - 0.5;
  pen.strokeStyle = odd > 0 ? tint(PAPER) : tint(INK);
  pen.globalAlpha = odd > 0 ? 1 : 0.55;
  pen.beginPath();
  const stroke = (a, b, c, d) => { pen.moveTo(x + a, y + b); pen.lineTo(x + c, y + d); }, far = inner - 3;
  if (odd > 0) { stroke(3, 3, far, far); stroke(far, 3, 3, far); } else if (t < 0) stroke(m - 2, m, m + 2, m);
  pen.stroke();
  pen.globalAlpha = 1;
}
