// What shows in one state of opened modules, with places: `passes/collapse.py`, then `drawing/scene.py`, on the page's data.
// D is that data; see `data.py`, which made it. A card here is a face of D with the place that the layout gives it.

const D = JSON.parse(document.getElementById("data").textContent);
for (const face of [...D.tiles, ...D.modules]) {
  if (face.origin) face.tip += `\n${face.origin}`;
  for (const list of ["lines", "chips"]) face[list] ??= [];
  face.heat ??= {};
}
const FACES = new Map([...D.tiles, ...D.modules].map(face => [face.n, face]));
const depthOf = call => { let depth = 0; for (; call >= 0; call = D.calls[call].up) depth++; return depth; };
const textWidth = (text, size, bold) => {
  const table = bold ? D.metrics.bold : D.metrics.plain;
  let total = 0;
  for (const c of text) total += c >= " " && c <= "~" ? table[c.charCodeAt(0) - 32] : D.metrics.other[c] ?? 667;
  return total * size / 1000;
};

// How many ops happen in each call, however deep: a call of one op is that op, and is never closed.
const OPS = new Map();
for (const tile of D.tiles) if (!tile.leaf) for (let call = tile.call; call >= 0; call = D.calls[call].up) OPS.set(call, (OPS.get(call) ?? 0) + 1);

function collapse(opened) {
  const closed = new Map([[-1, -1]]);
  const closedIn = call => {
    if (!closed.has(call)) {
      const above = closedIn(D.calls[call].up); // as deep as modules nest
      closed.set(call, above >= 0 ? above : opened.has(call) || (OPS.get(call) ?? 0) < 2 ? -1 : call);
    }
    return closed.get(call);
  };
  const stands = new Map(), within = new Map(), users = new Map(), tiles = new Map();
  for (const tile of D.tiles) if (!tile.leaf) { const call = closedIn(tile.call); stands.set(tile.n, call < 0 ? tile.n : -1 - call); }
  for (const [source, target] of D.links) put(users, source, stands.get(target));
  for (const tile of D.tiles) {
    if (!tile.leaf) continue;
    const around = new Set(users.get(tile.n));
    if (tile.parameter && around.size === 1 && [...around][0] < 0) within.set(tile.n, [...around][0]); else stands.set(tile.n, tile.n);
  }
  for (const tile of D.tiles) { const n = stands.get(tile.n); if (n !== undefined && !tiles.has(n)) tiles.set(n, FACES.get(n)); }
  return { stands: new Map([...stands, ...within]), ...inlined(tiles, merged(stands), opened) };
}

function merged(stands) {
  const together = new Map();
  for (const [s, t, label, loop] of D.links) {
    if (!stands.has(s)) continue;
    const source = stands.get(s), target = stands.get(t);
    if (source !== target || (source > 0 && loop)) put(together, `${source},${target},${loop}`, { source, target, label, loop });
  }
  return [...together.values()].map(many => ({ ...many[0], label: common(many.map(link => link.label)), times: many.length }));
}

function common(labels) {
  const first = labels[0];
  let same = 0;
  while (same < first.length && labels.every(label => label.length > same && label[same] === first[same])) same++;
  const rest = [...new Set(labels.filter(label => label.length > same).map(label => label.slice(same).join(" ")))];
  return [...first.slice(0, same), ...(rest.length ? [rest.slice(0, 3).join(", ") + (rest.length > 3 ? " …" : "")] : [])];
}

function inlined(tiles, links, opened) {
  const uses = new Map();
  for (const link of links) put(uses, link.source, link);
  for (const [n, tile] of [...tiles]) {
    const of = uses.get(n) ?? [];
    if (tile.parameter && !D.roots.includes(n) && of.length === 1 && of[0].times === 1 && of[0].target > 0) tiles.delete(n); // a chip
  }
  links = links.filter(link => tiles.has(link.source));
  const users = new Map(), count = new Map(), place = new Map();
  for (const link of links) if (tiles.get(link.source).leaf) put(users, link.source, tiles.get(link.target).call);
  for (const [n, tile] of tiles) place.set(n, !tile.leaf ? tile.call : tile.parameter ? callAround(users.get(n) ?? [-1]) : -1);
  for (let call of place.values()) for (; call >= 0; call = D.calls[call].up) count.set(call, (count.get(call) ?? 0) + 1);
  const drawn = new Set([...count].filter(([call, n]) => n > 1 && opened.has(call)).map(([call]) => call));
  const box = call => { while (call >= 0 && !drawn.has(call)) call = D.calls[call].up; return call; };
  const boxes = new Map([...drawn].sort((a, b) => depthOf(a) - depthOf(b) || a - b).map(call => [call, box(D.calls[call].up)]));
  return { tiles, links, boxes, home: new Map([...place].map(([n, call]) => [n, box(call)])) };
}

function callAround(calls) {
  const chains = calls.map(call => { const chain = [call]; while (call >= 0) { call = D.calls[call].up; chain.push(call); } return chain; });
  return chains[0].find(call => chains.every(chain => chain.includes(call)));
}

// ---- drawing/scene.py

function sceneOf(opened, mode) {
  const { tiles, links, boxes, home, stands } = collapse(opened), newest = new Map(), faces = new Map();
  const roundsAround = n => { let times = 1; for (let b = home.get(n); b >= 0; b = boxes.get(b)) times *= D.calls[b].times ?? 1; return times; };
  for (const [n, face] of tiles) {
    const badged = face.copies > 1 && face.copies !== roundsAround(n);
    faces.set(n, { ...face, badge: badged ? face.badge : "", w: badged ? face.wide : face.w });
  }
  for (const { source, target, loop } of links) {
    if (!loop && !tiles.get(source).leaf) newest.set(target, Math.max(newest.get(target) ?? 0, tiles.get(source).output));
  }
  const wires = links.map(link => {
    const source = tiles.get(link.source), label = labelOf(link);
    let weight = source.leaf ? 0.01 : source.output === newest.get(link.target) ? 1 : 0.08;
    if (weight === 0.01 && !newest.has(link.target)) weight = 0.3;
    return { source: link.source, target: link.target, weight, label: label ? [textWidth(label, 10) + 10, 16] : null, loop: link.loop };
  });
  const sizes = new Map([...faces].map(([n, f]) => [n, [f.w + (f.stack ? 6 : 0), f.h + (f.stack ? 6 : 0)]]));
  const titles = new Map([...boxes.keys()].map(box => [box, textWidth(D.calls[box].title, 11, true)]));
  const plan = layout(sizes, home, boxes, titles, wires, D.sideways), legend = legendOf([...faces.values()], mode);
  const shown = tiles.size, cards = `${shown.toLocaleString("en-US")} card${shown === 1 ? "" : "s"}`;
  const nodes = `${D.count.toLocaleString("en-US")} node${D.count === 1 ? "" : "s"}`;
  const subtitle = [...D.notes, nodes + (shown === D.count ? "" : ` shown as ${cards}`)].join(" · ");
  const head = Math.max( // with the first legend, so that nothing moves when colours change
    textWidth(D.title, 15, true), textWidth(subtitle, 11),
    legendOf([...faces.values()], D.mode).reduce((sum, key) => sum + textWidth(key.text, 11) + 34, 0));
  const wide = Math.max(plan.width, head) + 40, dx = (wide - plan.width) / 2, dy = 64, level = new Map([[-1, -1]]);
  for (const [box, around] of boxes) level.set(box, level.get(around) + 1);
  const move = ([x, y]) => [round1(x + dx), round1(y + dy)];
  return {
    stands, width: round1(wide), height: round1(plan.height + dy + 52), title: D.title, subtitle, legend, mode, hot: hotOf([...faces.values()], mode),
    cards: [...faces].map(([n, face]) => {
      const [x, y] = plan.cards.get(n);
      return { ...face, x: round1(x + dx), y: round1(y + dy + (face.stack ? 6 : 0)), box: home.get(n) };
    }),
    boxes: [...boxes].map(([box, around]) => {
      const [x, y, w, h] = plan.boxes.get(box);
      const { title, tip } = D.calls[box], titleAt = move(plan.titles.get(box));
      return { n: box, up: around, level: level.get(box), x: round1(x + dx), y: round1(y + dy), w, h, title, tip, titleAt };
    }),
    edges: links.map((link, i) => ({ ...link, points: plan.routes[i].map(move), text: labelOf(link), main: wires[i].weight === 1,
      textAt: plan.labels[i] && move(plan.labels[i]), tip: edgeTip(link, faces) })),
  };
}

function labelOf(link) {
  const words = link.label.join(" "), text = [...words].length <= 40 ? words : `${[...words].slice(0, 39).join("")}…`;
  return link.times > 1 && !link.loop ? `${text} ×${link.times}`.trim() : text;
}

function edgeTip({ source, target, label, loop, times }, faces) {
  const a = faces.get(source), b = faces.get(target), way = label.length ? ` through ${label.join(", ")}` : "";
  return `${a.title} (${a.shape}) → ${b.title}${way}` + (loop ? ", in the next round" : times > 1 ? `, ${times} times` : "");
}

const verdictsOf = faces => new Set(faces.flatMap(f => [f.verdict, ...f.chips.map(chip => chip.verdict)]).filter(v => v).map(v => v[0]));

function hotOf(faces, mode) {
  const heats = faces.map(f => f.heat[mode]).filter(heat => heat), above = heats.filter(([x]) => x > 0), among = above.length ? above : heats;
  if (!among.length) return null;
  const sorted = [...among].sort((a, b) => a[0] - b[0]);
  return [sorted[0], sorted.at(-1)];
}

function legendOf(faces, mode) {
  if (mode === "audit") {
    const seen = verdictsOf(faces);
    const words = { wrong: "wrong rule", victim: seen.has("wrong") ? "gradient wrong because of it" : "gradient wrong", changed: "changed in place",
      unknown: "cannot tell", ok: "checked" };
    const keys = Object.keys(words).filter(kind => seen.has(kind)).map(kind => ({ look: kind, text: words[kind] }));
    return faces.some(f => !f.verdict) ? [...keys, { look: "none", text: "has no rule to check" }] : keys;
  }
  const heat = D.heats[mode];
  if (heat) {
    const hot = hotOf(faces, mode);
    if (!hot) return [{ look: "none", text: `no ${heat.name} is known` }];
    const ends = [{ look: "cold", text: hot[0][1] }, { look: "hot", text: `${hot[1][1]}  ${heat.name}${heat.log ? ", log scale" : ""}` }];
    return faces.every(f => f.heat[mode]) ? ends : [...ends, { look: "none", text: "none" }];
  }
  const failed = f => f.verdict?.[0] === "failed", looks = new Set(faces.filter(f => !failed(f)).map(f => f.look));
  if (faces.some(f => f.chips.length)) looks.add("parameter");
  const keys = Object.keys(D.looks).filter(look => looks.has(look)).map(look => ({ look, text: D.looks[look] }));
  return faces.some(failed) ? [...keys, { look: "failed", text: "failed" }] : keys;
}
