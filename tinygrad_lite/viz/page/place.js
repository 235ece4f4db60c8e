// The order of items in each rank, and their places: `layout/place.py` line by line. With `layout.js` it is the layout once more, to the last digit,
// so that a module opens where the reader stands; `document.py` says why.

const SWEEPS = 6, SETTLE = 6, APART = { card: 26, box: 26 };

// Python's round(x, 1): to the nearest, and of two equally near to the even one; toFixed takes the larger.
const round1 = x => Math.abs(x) % 1 === 0.25 ? Math.sign(x) * Number(`${Math.trunc(Math.abs(x))}.2`) : Number(x.toFixed(1));
const put = (map, key, value) => { const list = map.get(key); if (list) list.push(value); else map.set(key, [value]); };
const most = (numbers, least) => numbers.reduce((a, b) => Math.max(a, b), least);

function neighbours(items, links) {
  const above = new Map(), below = new Map();
  for (const name of items.keys()) { above.set(name, []); below.set(name, []); }
  for (const [a, b, weight, key] of links) {
    above.get(b).push([a, weight, key]);
    below.get(a).push([b, weight, key]);
  }
  return [above, below];
}

function order(items, links) {
  let rows = [];
  for (const [name, item] of items) (rows[item.rank] ??= []).push(name);
  rows = Array.from(rows, row => row ?? []);
  if (most(rows.map(row => row.length), 0) < 2) return rows;
  const [above, below] = neighbours(items, links);
  let best = rows.map(row => [...row]), fewest = crossings(rows, below);
  for (let sweep = 0; sweep < SWEEPS; sweep++) {
    const down = sweep % 2 === 0, near = down ? above : below;
    for (let i = 1; i < rows.length; i++) {
      const r = down ? i : rows.length - 1 - i;
      const place = new Map(rows[down ? r - 1 : r + 1].map((name, j) => [name, j]));
      const keyed = rows[r].map((name, now) => {
        const ends = near.get(name).filter(([other]) => place.has(other)).map(([other]) => place.get(other));
        return [ends.length ? ends.reduce((a, b) => a + b, 0) / ends.length : now, now, name];
      });
      rows[r] = keyed.sort((a, b) => a[0] - b[0] || a[1] - b[1]).map(entry => entry[2]);
    }
    const now = crossings(rows, below);
    if (now < fewest) { best = rows.map(row => [...row]); fewest = now; }
    if (!fewest && sweep) break;
  }
  return best;
}

function crossings(rows, below) {
  let total = 0;
  for (let r = 0; r + 1 < rows.length; r++) {
    if (rows[r].length < 2 || rows[r + 1].length < 2) continue;
    const place = new Map(rows[r + 1].map((name, i) => [name, i])), ends = [];
    for (const name of rows[r]) {
      const mine = below.get(name).filter(([b]) => place.has(b)).map(([b]) => place.get(b));
      for (const m of mine) for (const end of ends) total += end > m;
      ends.push(...mine);
    }
  }
  return total;
}

function gapsOf(items, rows) {
  const gaps = new Map();
  for (const row of rows) for (let i = 0; i + 1 < row.length; i++) {
    const one = items.get(row[i]), other = items.get(row[i + 1]);
    gaps.set(row[i], (one.w + other.w) / 2 + Math.max((APART[one.kind] ?? 8) + (APART[other.kind] ?? 8), 12) / 2);
  }
  return gaps;
}

function across(items, rows, links) {
  const [above, below] = neighbours(items, links), gaps = gapsOf(items, rows);
  for (const row of rows) {
    let x = 0;
    for (const name of row) { items.get(name).x = x; x += gaps.get(name) ?? 0; }
    const middle = row.length ? items.get(row.at(-1)).x / 2 : 0;
    for (const name of row) items.get(name).x -= middle;
  }
  const wanted = (name, sides) => {
    const item = items.get(name);
    let total = 0, weight = 0;
    const ends = sides.flatMap(up => (up ? above : below).get(name).map(end => [up, end]));
    const heaviest = most(ends.map(([, end]) => end[1]), 0);
    for (const [up, [other, w, key]] of ends) {
      if (w * 20 > heaviest) { // a leaf does not pull at the spine
        const far = items.get(other), [mine, its] = up ? [item.entry, far.leave] : [item.leave, far.entry];
        total += w * (far.x + (its.get(key) ?? 0) - (mine.get(key) ?? 0));
        weight += w;
      }
    }
    return weight ? [total / weight, weight] : [item.x, 1e-3];
  };
  const settled = name => above.get(name).length ? [items.get(name).x, 1e6] : wanted(name, [false]);
  const ways = [[true], [false], [true], [false]];
  for (let i = 0; i < SETTLE; i++) ways.push([true, false], [false, true]);
  for (const sides of [...ways, [true], []]) {
    for (const row of sides[0] ? rows : [...rows].reverse()) {
      if (!row.length) continue;
      let shift = 0;
      const at = [];
      for (const name of row) { at.push(shift); shift += gaps.get(name) ?? 0; }
      const wishes = row.map(name => sides.length ? wanted(name, sides) : settled(name));
      const fitted = isotonic(wishes.map(([x], i) => x - at[i]), wishes.map(([, w]) => w));
      row.forEach((name, i) => { items.get(name).x = fitted[i] + at[i]; });
    }
  }
}

function straighten(items, rows, chains) {
  const gaps = gapsOf(items, rows), left = new Map(), right = new Map();
  for (const row of rows) for (let i = 0; i + 1 < row.length; i++) { right.set(row[i], row[i + 1]); left.set(row[i + 1], row[i]); }
  for (let turn = 0; turn < 2; turn++) for (const chain of chains) {
    const all = chain.map(name => items.get(name).x);
    for (const x of [Math.min(...all), Math.max(...all)]) {
      const free = chain.every(name => (!left.has(name) || items.get(left.get(name)).x + gaps.get(left.get(name)) <= x + 1e-6)
        && (!right.has(name) || x + gaps.get(name) <= items.get(right.get(name)).x + 1e-6));
      if (free) { for (const name of chain) items.get(name).x = x; break; }
    }
  }
}

function isotonic(values, weights) {
  const pools = [];
  values.forEach((value, i) => {
    let weight = weights[i], count = 1;
    while (pools.length && pools.at(-1)[0] > value) {
      const [mean, w, n] = pools.pop();
      [value, weight, count] = [(mean * w + value * weight) / (w + weight), w + weight, n + count];
    }
    pools.push([value, weight, count]);
  });
  return pools.flatMap(([mean, , n]) => Array(n).fill(mean));
}
