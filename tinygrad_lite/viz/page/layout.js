// One box of a layout, then boxes in boxes: `layout/room.py` and `layout/nested.py` line by line, on what `place.js` gives.

const ROOT = -1, GAP = 30, PAD = 14, TITLE = 22, LANE = 18, THIN = 10;

// ---- layout/room.py: one box

const newItem = (kind, w, h, rank = 0) => ({ kind, w, h, entry: new Map(), leave: new Map(), rank, x: 0, y: 0 });
const lengthOf = span => span.label ? 2 : 1;

class Room {
  constructor(items, spans, title, root, sideways) {
    Object.assign(this, { items, spans, title, root, sideways, returns: new Map(), loops: [] });
    [this.begin, this.before] = sideways && !root ? [PAD, TITLE] : [TITLE, PAD];
  }

  arrange(loops) {
    this.loops = loops;
    this.ranks();
    this.bends();
    const rows = order(this.items, this.links());
    this.ends(rows);
    across(this.items, rows, this.links());
    straighten(this.items, rows, this.spans.filter(span => span.bends.length > 1).map(span => span.bends));
    let left = Infinity, right = -Infinity;
    for (const item of this.items.values()) { left = Math.min(left, item.x - item.w / 2); right = Math.max(right, item.x + item.w / 2); }
    for (const item of this.items.values()) item.x += this.before - left;
    let width = right - left + this.before + PAD + LANE * loops.length, height = this.heights(rows), start;
    for (const span of this.spans) this.route(span);
    loops.forEach((loop, i) => this.returns.set(loop.join(), this.back(...loop, right - left + this.before + PAD + LANE * (i + 0.3))));
    if (this.sideways) {
      [start, height] = [[TITLE - 7, PAD - 6], Math.max(height, this.title + 2 * PAD)];
    } else {
      [left, width] = this.titled(width);
      start = [left, TITLE - 7];
    }
    this.width = width;
    this.height = height;
    return [[width, height], start];
  }

  asItem(box) {
    box.w = this.width;
    box.h = this.height;
    for (const item of this.items.values()) {
      if (item.kind === "in") box.entry.set(item.key, item.x - this.width / 2);
      else if (item.kind === "out") box.leave.set(item.key, item.x - this.width / 2);
    }
  }

  ranks() {
    const into = new Map(), out = new Map(), { items } = this;
    for (const name of items.keys()) { into.set(name, []); out.set(name, []); }
    for (const span of this.spans) { into.get(span.target).push(span); out.get(span.source).push(span); }
    const names = [...items.keys()], waiting = new Map(names.map(name => [name, into.get(name).length]));
    const ready = names.filter(name => !waiting.get(name)).reverse(), done = new Set();
    while (done.size < items.size) {
      const name = ready.length ? ready.pop() : names.find(n => !done.has(n));
      if (done.has(name)) continue;
      done.add(name);
      const item = items.get(name);
      item.rank = item.kind === "in" ? 0
        : most(into.get(name).filter(s => done.has(s.source)).map(s => items.get(s.source).rank + lengthOf(s)), 1);
      for (const span of out.get(name)) {
        waiting.set(span.target, waiting.get(span.target) - 1);
        if (!waiting.get(span.target)) ready.push(span.target);
      }
    }
    for (const [name, item] of items) {
      if (item.kind !== "in" && item.kind !== "out" && !into.get(name).length && out.get(name).length) {
        item.rank = Math.max(1, Math.min(...out.get(name).map(s => items.get(s.target).rank - lengthOf(s))));
      }
    }
    const all = [...items.values()], last = most(all.filter(item => item.kind !== "out").map(item => item.rank), -Infinity) + 1;
    for (const item of all) if (item.kind === "out") item.rank = last;
  }

  bends() {
    this.spans.forEach((span, i) => {
      const a = this.items.get(span.source).rank, b = this.items.get(span.target).rank;
      for (let rank = a + 1; rank < b; rank++) {
        const name = `bend ${i} ${rank}`, label = rank === b - 1 ? span.label : null;
        this.items.set(name, label ? newItem("label", ...label, rank) : newItem("bend", THIN, 0, rank));
        span.bends.push(name);
      }
    });
  }

  bent(name) { return ["bend", "label"].includes(this.items.get(name).kind); }

  links() {
    return this.spans.flatMap(span => {
      const names = [span.source, ...span.bends, span.target];
      return names.slice(1).map((b, i) => [names[i], b, span.weight * [1, 2, 8][this.bent(names[i]) + this.bent(b)], span.key]);
    });
  }

  ends(rows) {
    const place = new Map(rows.flatMap(row => row.map((name, i) => [name, i]))), into = new Map();
    for (const [a, b, weight, key] of this.links()) put(into, b, [place.get(a), key, weight]);
    for (const [name, many] of into) {
      const item = this.items.get(name);
      if (item.kind !== "card" || many.length < 2) continue;
      many.sort((p, q) => p[0] - q[0] || p[1] - q[1] || p[2] - q[2]);
      let middle = 0;
      many.forEach((end, i) => { if (end[2] > many[middle][2]) middle = i; });
      const step = Math.min(16, (item.w / 2 - 12) / Math.max(middle, many.length - 1 - middle, 1));
      item.entry = new Map(many.map(([, key], i) => [key, step * (i - middle)]));
    }
  }

  heights(rows) {
    const aside = Array(rows.length + 1).fill(0), fed = new Set(this.spans.map(span => span.target));
    for (const [name, other, , key] of this.links()) {
      const a = this.items.get(name), b = this.items.get(other);
      aside[a.rank] = Math.max(aside[a.rank], Math.abs(a.x + (a.leave.get(key) ?? 0) - b.x - (b.entry.get(key) ?? 0)));
    }
    const last = rows.at(-1), loose = !last.length || this.items.get(last[0]).kind !== "out", lane = this.loops.length ? LANE : 0;
    let y = this.root ? 0 : this.begin;
    this.band = [];
    rows.forEach((row, r) => {
      const tall = most(row.map(name => this.items.get(name).h), 0);
      this.band.push([y, y + tall]);
      for (const name of row) {
        const item = this.items.get(name);
        item.y = item.kind === "box" || item.kind === "in" ? y : y + (tall - item.h) / (fed.has(name) ? 2 : 1);
      }
      const ends = last.length ? r === 0 || (r + 2 === rows.length && !loose) : true;
      const words = rows.slice(r, r + 2).some(pair => pair.length && pair.every(name => this.bent(name)));
      let gap = ends ? PAD + lane : words ? GAP / 2 : GAP;
      if (aside[r] >= 1) gap = Math.max(gap, GAP + Math.min(GAP, aside[r] / 10));
      y += tall + (r + 1 === rows.length || !(row.length || this.loops.length) ? 0 : gap);
    });
    return y + (this.root || !loose ? 0 : PAD + lane);
  }

  route(span) {
    const a = this.items.get(span.source), b = this.items.get(span.target), solid = item => item.kind === "card" || item.kind === "box";
    const start = a.x + (solid(a) ? a.leave.get(span.key) ?? 0 : 0), end = b.x + (solid(b) ? b.entry.get(span.key) ?? 0 : 0);
    const points = [[start, a.kind === "in" ? 0 : a.y + a.h], [start, this.band[a.rank][1]]];
    for (const name of span.bends) {
      const bend = this.items.get(name);
      points.push([bend.x, this.band[bend.rank][0]], [bend.x, this.band[bend.rank][1]]);
      if (bend.kind === "label") span.middle = [bend.x, bend.y + bend.h / 2];
    }
    points.push([end, this.band[b.rank][0]], [end, b.kind === "out" ? -1 : b.y]);
    span.points = points;
  }

  back(source, target, key, lane) {
    const a = this.items.get(source), b = this.items.get(target);
    const xa = a.x + (a.leave.get(key) ?? Math.max(a.w / 2 - 14, 0)), xb = b.x + (b.entry.get(key) ?? Math.max(b.w / 2 - 14, 0));
    const below = this.band[a.rank][1] + 9, above = this.band[b.rank][0] - 9;
    return [[xa, a.y + a.h], [xa, below], [lane, below], [lane, above], [xb, above], [xb, b.y]];
  }

  titled(width) {
    if (!this.title) return [0, width];
    const into = [...this.items.values()].filter(item => item.kind === "in").map(item => item.x).sort((a, b) => a - b);
    const edges = [PAD - 10, ...into, width + 2];
    for (let i = 0; i + 1 < edges.length; i++) if (edges[i + 1] - edges[i] >= this.title + 12) return [edges[i] + 6, width];
    const start = edges.at(-2) + 6;
    return [start, Math.max(width, start + this.title + 10)];
  }
}

// ---- layout/nested.py: boxes in boxes. sizes, home, boxes, titles: Maps; wires: [{source, target, weight, label, loop}]

function layout(sizes, home, boxes, titles, wires, sideways) {
  if (!sizes.size) return { width: 0, height: 0, cards: new Map(), boxes: new Map(), titles: new Map(), routes: [], labels: [] };
  if (sideways) {
    sizes = new Map([...sizes].map(([card, [w, h]]) => [card, [h, w]]));
    wires = wires.map(wire => ({ ...wire, label: wire.label && [wire.label[1], wire.label[0]] }));
  }
  const all = [ROOT, ...boxes.keys()], inside = new Map(all.map(box => [box, new Map()])), spans = new Map(all.map(box => [box, new Map()]));
  const loops = new Map(all.map(box => [box, []])), seen = new Set(), depth = new Map([[ROOT, 0]]);
  for (const [card, [w, h]] of sizes) {
    let box = home.get(card);
    inside.get(box).set(`c${card}`, newItem("card", w, h));
    for (; box !== ROOT && !seen.has(box); box = boxes.get(box)) {
      seen.add(box);
      inside.get(boxes.get(box)).set(`b${box}`, newItem("box", 0, 0));
    }
  }
  const ways = wires.map(wire => wayOf(wire, home, boxes, inside, spans, loops));
  for (const [box, around] of boxes) depth.set(box, depth.get(around) + 1);
  const corners = new Map(), sizeOf = new Map(), returns = new Map();
  for (const box of [...all].sort((a, b) => depth.get(b) - depth.get(a) || a - b)) {
    const room = new Room(inside.get(box), [...spans.get(box).values()], titles.get(box) ?? 0, box === ROOT, sideways);
    const [size, corner] = room.arrange(loops.get(box));
    sizeOf.set(box, size);
    corners.set(box, corner);
    for (const [loop, points] of room.returns) returns.set(`${box},${loop}`, points);
    if (box !== ROOT) room.asItem(inside.get(boxes.get(box)).get(`b${box}`));
  }
  const plan = absolute(sizes, home, boxes, inside, sizeOf, corners, ways, spans, returns);
  return sideways ? turned(plan) : plan;
}

function wayOf(wire, home, boxes, inside, spans, loops) {
  const around = card => { const chain = [home.get(card)]; while (chain.at(-1) !== ROOT) chain.push(boxes.get(chain.at(-1))); return chain; };
  const { source: s, target: t } = wire, out = around(s), into = around(t), shared = out.find(box => into.includes(box));
  const up = out.slice(0, out.indexOf(shared)), down = into.slice(0, into.indexOf(shared)).reverse(), key = wire.loop ? -s : s;
  const border = (box, kind) => {
    const name = `${kind}${key}`;
    if (!inside.get(box).has(name)) inside.get(box).set(name, { ...newItem(kind, THIN, 0), key });
    return name;
  };
  const target = i => i < down.length ? `b${down[i]}` : `c${t}`, way = [];
  let here = `c${s}`;
  for (const box of up) { way.push([box, here, border(box, "out"), key]); here = `b${box}`; }
  way.push([shared, here, target(0), key]);
  down.forEach((box, i) => way.push([box, border(box, "in"), target(i + 1), key]));
  for (const [box, a, b, k] of way) {
    if (box === shared && wire.loop) { loops.get(box).push([a, b, k]); continue; }
    const name = [a, b, k].join(), there = spans.get(box);
    if (!there.has(name)) there.set(name, { source: a, target: b, key: k, weight: 0, label: null, bends: [], points: [], middle: null });
    const span = there.get(name);
    span.weight = Math.max(span.weight, wire.weight);
    if (b === `c${t}` && wire.label) span.label = wire.label;
  }
  return way;
}

function absolute(sizes, home, boxes, inside, sizeOf, corners, ways, spans, returns) {
  const origin = new Map([[ROOT, [0, 0]]]);
  const at = (box, x, y) => [round1(origin.get(box)[0] + x), round1(origin.get(box)[1] + y)];
  for (const [box, parent] of boxes) {
    const item = inside.get(parent).get(`b${box}`), [x, y] = origin.get(parent);
    origin.set(box, [x + item.x - item.w / 2, y + item.y]);
  }
  const cards = new Map([...sizes].map(([card, [w, h]]) => {
    const item = inside.get(home.get(card)).get(`c${card}`), [ox, oy] = origin.get(home.get(card));
    return [card, [round1(ox + item.x - w / 2), round1(oy + item.y), w, h]];
  }));
  const routes = [], labels = [];
  for (const way of ways) {
    const points = [];
    let middle = null;
    for (const [box, a, b, key] of way) {
      const span = spans.get(box).get([a, b, key].join());
      for (const [x, y] of span ? span.points : returns.get([box, a, b, key].join())) {
        const point = at(box, x, y === -1 ? sizeOf.get(box)[1] : y), before = points.at(-1);
        if (!before || before[0] !== point[0] || before[1] !== point[1]) points.push(point);
      }
      if (span?.middle) middle = at(box, ...span.middle);
    }
    routes.push(points);
    labels.push(middle);
  }
  const frames = new Map([...boxes.keys()].map(box => [box, [...origin.get(box), ...sizeOf.get(box)].map(round1)]));
  const begins = new Map([...boxes.keys()].map(box => [box, at(box, ...corners.get(box))]));
  return { width: sizeOf.get(ROOT)[0], height: sizeOf.get(ROOT)[1], cards, boxes: frames, titles: begins, routes, labels };
}

function turned(plan) {
  const swap = ([a, b]) => [b, a], map = (m, f) => new Map([...m].map(([n, v]) => [n, f(v)]));
  return { width: plan.height, height: plan.width, cards: map(plan.cards, ([x, y, w, h]) => [y, x, h, w]),
    boxes: map(plan.boxes, ([x, y, w, h]) => [y, x, h, w]), titles: map(plan.titles, swap),
    routes: plan.routes.map(route => route.map(swap)), labels: plan.labels.map(p => p && swap(p)) };
}
