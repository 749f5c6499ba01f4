'use strict';
// Draws a shared run from the data beside it. Every number shown is one of the trace's, or follows
// from them by the formula said beside it; single-precision numbers come as their bytes.
(() => {
const data = JSON.parse(document.getElementById('trace').textContent);
const $ = (id) => document.getElementById(id);
const NONE = 0xffffffff;
const root = document.documentElement;

// ---------------------------------------------------------------- the trace

function bytes(text) {
  if (Uint8Array.fromBase64) return Uint8Array.fromBase64(text).buffer;
  const raw = atob(text);
  const out = new Uint8Array(raw.length);
  for (let n = 0; n < raw.length; n++) out[n] = raw.charCodeAt(n);
  return out.buffer;
}

/** Unpacks each field the first time it is read. */
function unpacked(packed, kinds) {
  const kept = {};
  for (const [field, Kind] of Object.entries(kinds)) {
    let value;
    Object.defineProperty(kept, field, { get: () => (value ??= new Kind(bytes(packed[field]))) });
  }
  return kept;
}

const F = Float32Array, U = Uint32Array, H = Uint16Array;
function row(name, packed) {
  return {
    name, ...packed,
    routing: packed.routers.map((it) => ({
      at: it.at, k: it.k, states: it.states,
      it: unpacked(it, { experts: H, weights: F, margins: F, weight_sums: F, logits: F, selection: F }),
    })),
    said: unpacked(packed.readouts, { next: U, next_log_probs: F, next_ranks: U, top: U, top_log_probs: F, forecast: F }),
    compared: packed.comparisons && Object.assign(
      unpacked(packed.comparisons, { kl: F, baseline: F, edited: F }), { at: packed.comparisons.at }),
  };
}

const rows = { baseline: row('baseline', data.baseline) };
if (data.edited) rows.edited = row('edited', data.edited);
if (data.counterfactual) rows.counterfactual = row('counterfactual', data.counterfactual);

/** The row that holds a token's numbers: the baseline where a row still is the baseline. */
const holder = (name, t) => (t < rows[name].from ? rows.baseline : rows[name]);

/** Whether a token is one of the source that an encoder reads; the others are the decoder's. */
const inSource = (t) => t < data.n_source;

/** Where a token stands among those that the same layers read: what edits and names count. */
const within = (t) => (inSource(t) ? t : t - data.n_source);
const tokenName = (t) => `${inSource(t) ? 'source ' : ''}${noun} ${within(t)}`;

/** The group of layers that reads a token: of one group, that. */
const groupOf = (t) => data.groups[data.groups.length > 1 && !inSource(t) ? 1 : 0];
const isOf = (group, r) => r >= group.first && r < group.first + group.n;

/** The router that stands for this one where a token is read: in the same place from the start of its group. */
function counterpart(r, t) {
  const own = data.groups.find((it) => isOf(it, r)), other = groupOf(t);
  if (!own || own === other || other.n === 0) return r;
  return Math.min(other.first + r - own.first, other.first + other.n - 1);
}

/** What a router did at a token: picks strongest first, the choice that was dropped since its expert was full, and raw
 *  scores where the file has them. Null where its layers do not read the token. */
function routed(name, t, r) {
  const at = holder(name, t), part = at.routing[r], n = t - part.at, e = data.routers[r].n_experts;
  const { it } = part;
  if (n < 0 || part.k === 0 || (n + 1) * part.k > it.experts.length) return null;
  const picks = [];
  let dropped = null;
  for (let j = n * part.k; j < (n + 1) * part.k; j++) {
    const state = part.states ? part.states[j] : 'c';
    const pick = { expert: it.experts[j], weight: it.weights[j], state };
    if (state === 'd') dropped = pick;
    else if (state !== '-') picks.push(pick);
  }
  const has = t >= at.scores.start && t < at.scores.end;
  const slice = (all) => {
    const from = (t - Math.max(at.scores.start, part.at)) * e;
    return has && all.length >= from + e ? all.subarray(from, from + e) : null;
  };
  const logits = slice(it.logits);
  return { picks, dropped, logits, selection: slice(it.selection), margin: it.margins[n], sum: it.weight_sums[n] };
}

/** Why a token passed no expert. */
const fullWords = (r, dropped) => `dropped: expert ${dropped.expert} had taken the ${data.routers[r].capacity} tokens it may`;

/** softmax(z), or s/Σs where the family scores by sigmoid or √softplus. */
function probabilities(logits, score) {
  const max = Math.max(...logits);
  const raw = Array.from(logits, (z) =>
    score === 'sigmoid' ? 1 / (1 + Math.exp(-z))
      : score === 'sqrtsoftplus' ? Math.sqrt(Math.max(z, 0) + Math.log1p(Math.exp(-Math.abs(z))))
      : Math.exp(Math.fround(z - max)));
  const sum = raw.reduce((a, b) => a + b, 0);
  return raw.map((it) => Math.fround(it / sum));
}

/** −Σ p ln p / ln N: 0 where one expert takes all, 1 where none is preferred. */
function entropy(p) {
  if (p.length < 2) return 0;
  return p.reduce((sum, it) => (it > 0 ? sum - it * Math.log(it) : sum), 0) / Math.log(p.length);
}

/** The prediction made at a token. */
function said(name, t) {
  const at = holder(name, t), n = t - at.from, k = at.readouts.n_top, { said } = at;
  if (t < 0 || n >= said.next.length) return null;
  const top = [];
  for (let j = n * k; j < (n + 1) * k; j++) {
    if (said.top[j] !== NONE) top.push({ token: said.top[j], log_prob: said.top_log_probs[j] });
  }
  const next = said.next[n] === NONE ? null
    : { token: said.next[n], log_prob: said.next_log_probs[n], rank: said.next_ranks[n] };
  const width = data.series ? data.series.horizons.reduce((a, b) => a + b, 0) : 0;
  const forecast = width ? said.forecast.subarray(n * width, (n + 1) * width) : null;
  return { top, next, forecast };
}

/** The value of a number of the model in the units of the series. */
const inUnits = (it) => it * data.series.deviation + data.series.mean;

/** The value of a point, whose id is its bits. */
const valueOf = (token) => inUnits(new Float32Array(new Uint32Array([token]).buffer)[0]);

/** KL at the token whose prediction changed: one after the position compared. */
function kl(t) {
  const it = rows.counterfactual?.compared;
  const n = it ? t - 1 - it.at : -1;
  return n >= 0 && n < it.kl.length ? it.kl[n] : null;
}

// ---------------------------------------------------------------- words

/** Three significant digits at most. */
function short(value) {
  if (value === null || !Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  if (size !== 0 && size < 0.001) return value.toExponential(1).replace('-', '−').replace('e+', 'e');
  const text = value.toFixed(size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3);
  const cut = text.includes('.') ? text.replace(/0+$/, '').replace(/\.$/, '') : text;
  return cut.replace('-', '−');
}
/** How many of what: `1 token`, `12,345 tokens`. */
const counted = (n, thing) => `${String(n).replace(/\B(?=(\d{3})+$)/g, ',')} ${thing}${n === 1 ? '' : 's'}`;
const percent = (share) => `${short(share * 100)} %`;

/** The shortest text that is this single-precision number and no other. */
function exact(value) {
  if (!Number.isFinite(value)) return '';
  for (let digits = 1; digits <= 9; digits++) {
    const text = Number(value.toPrecision(digits));
    if (Math.fround(text) === value) return String(text);
  }
  return String(value);
}

const word = (token) => data.words[token] ?? `⟨${token}⟩`;
const quoted = (text) => (data.series ? text.trim() : `“${text.trim() || text}”`);
const nth = (n) => `${n}${n % 100 > 10 && n % 100 < 14 ? 'th' : ['th', 'st', 'nd', 'rd'][n % 10] ?? 'th'}`;
const rowWords = { baseline: 'baseline', edited: 'edited', counterfactual: data.series ? 'baseline’s points under the edits' : 'baseline’s words under the edits' };
const { noun, whole, change, unit } = data.kind;

function el(tag, attributes = {}, ...children) {
  const out = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith('on')) out.addEventListener(name.slice(2), value);
    else if (value !== null && value !== undefined && value !== false) out.setAttribute(name, value);
  }
  out.append(...children.filter((it) => it !== null && it !== undefined));
  return out;
}

// ---------------------------------------------------------------- what is looked at

const state = { row: 'baseline', token: 0, layer: data.layer };
let pointed = null;

/** From here on baseline and edited text stand side by side. */
const split = rows.edited
  ? Math.min(Math.max(
    Math.min(rows.edited.from, rows.counterfactual?.from ?? Infinity) + 1,
    // A source and the token that the text starts with stand once, whatever the edits of its layers.
    data.n_source ? data.n_source + 1 : 0,
  ), rows.baseline.tokens.length)
  : Infinity;
const sideBySide = rows.edited && (split < rows.baseline.tokens.length || split < rows.edited.tokens.length);

const changes = (() => {
  const all = rows.baseline.tokens.map((_, t) => ({ t, kl: kl(t) ?? 0 }));
  const largest = Math.max(0, ...all.map((it) => it.kl));
  return { largest, places: all.filter((it) => largest > 0 && it.kl >= largest * 0.2).map((it) => it.t) };
})();

const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

/** What the hash asks for, where it makes sense. */
function readHash() {
  const asked = new URLSearchParams(location.hash.slice(1));
  if (rows[asked.get('row')]) state.row = asked.get('row');
  const layer = data.routers.findIndex((it) => it.name === asked.get('layer'));
  if (layer >= 0) state.layer = layer;
  const token = Number.parseInt(asked.get('token') ?? '', 10);
  if (Number.isInteger(token)) state.token = token;
  state.token = clamp(state.token, 0, rows[state.row].tokens.length - 1);
}

function writeHash() {
  const name = data.routers[state.layer]?.name ?? '';
  const hash = `#row=${state.row}&token=${state.token}&layer=${name}`;
  if (location.hash !== hash) {
    try { history.replaceState(null, '', hash); } catch { location.replace(hash); }
  }
}

/** Token and layer are of one group: a layer brings the last token that it reads, a token the layer that reads it. */
function settle(byLayer) {
  if (counterpart(state.layer, state.token) === state.layer) return;
  if (byLayer) state.token = inSource(state.token) ? rows[state.row].tokens.length - 1 : data.n_source - 1;
  else state.layer = counterpart(state.layer, state.token);
}

function select(change, follow = true) {
  Object.assign(state, change);
  state.token = clamp(state.token, 0, rows[state.row].tokens.length - 1);
  state.layer = clamp(state.layer, 0, Math.max(0, data.routers.length - 1));
  settle('layer' in change);
  pointed = null;
  writeHash();
  if ('layer' in change || data.groups.length > 1) drawLayer();
  draw();
  if (follow) markedTokens()[0]?.scrollIntoView({ block: 'nearest' });
}

// ---------------------------------------------------------------- transcript

const tokens = { baseline: [], edited: [] };

function tokenElement(name, t) {
  const text = rows[name].texts[t];
  const out = el('span', {
    class: `tok${t < data.n_given ? ' given' : ''}${text ? '' : ' empty'}`,
    role: 'button', tabindex: '-1', 'data-row': name, 'data-token': t,
    'aria-label': `${t < split ? '' : `${name} `}${tokenName(t)} ${quoted(text)}`,
  }, text);
  const changed = name === 'baseline' && t >= split ? kl(t) : null;
  if (changed !== null && changes.largest > 0) {
    const bar = el('i', { title: `${change} ${exact(changed)} ${unit}` });
    bar.style.height = `${Math.max(1, (changed / changes.largest) * 12)}px`;
    if (changed === changes.largest) bar.append(el('b', {}, short(changed)));
    out.prepend(bar);
  }
  if (t === data.divergence) out.classList.add('parts');
  tokens[name][t] = out;
  return out;
}

/** Tokens kept together in words, ↵ breaking the line. */
function words(name, from, to) {
  const out = el('div', { class: `words${name === 'baseline' && from >= split ? ' kl' : ''}` });
  let box = null, n = 0;
  for (let t = from; t < to; t++) {
    const text = rows[name].texts[t], before = t > from ? rows[name].texts[t - 1] : '↵';
    if (!box || n >= 12 || /^[\s⟨]/.test(text) || /[\s⟩↵]$/.test(before)) {
      box = el('span', { class: 'word' });
      n = 0;
      out.append(box);
    }
    box.append(tokenElement(name, t));
    n += 1;
    if (/↵$/.test(text) && !(t + 1 < to && /^↵/.test(rows[name].texts[t + 1]))) out.append(el('br'));
  }
  return out;
}

/** The namespace of SVG, from the browser, so that no address stands in the page. */
const SVG = Object.assign(document.createElement('div'), { innerHTML: '<svg></svg>' }).firstChild.namespaceURI;

/** An SVG element. */
function svg(tag, attributes = {}, ...children) {
  const out = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) out.setAttribute(name, value);
  out.append(...children);
  return out;
}

const dots = { baseline: [], edited: [] };

/** The series as a curve: a dot a point in the colour of its strongest expert, the edited one in amber where it differs. */
function curve() {
  const all = [['baseline', 0]];
  if (rows.edited) all.push(['edited', Math.min(split, rows.edited.tokens.length)]);
  const values = Object.fromEntries(all.map(([name]) => [name, rows[name].tokens.map(valueOf)]));
  const flat = Object.values(values).flat();
  const [low, high] = [Math.min(...flat), Math.max(...flat)];
  const most = Math.max(...Object.values(values).map((it) => it.length));
  const [width, height, edge] = [1000, 240, 12];
  const x = (t) => edge + ((width - 2 * edge) * t) / Math.max(most - 1, 1);
  const y = (it) => height - edge - ((height - 2 * edge) * (it - low)) / Math.max(high - low, 1e-30);
  const out = svg('svg', { id: 'curve', viewBox: `0 0 ${width} ${height}`, role: 'img',
    'aria-label': `The series: ${most} points from ${short(low)} to ${short(high)}` });
  out.append(svg('text', { x: 0, y: 10 }, short(high)), svg('text', { x: 0, y: height - 1 }, short(low)));
  if (data.n_given < most) out.append(svg('line', { class: 'given', x1: x(data.n_given - 0.5), x2: x(data.n_given - 0.5), y1: 0, y2: height }));
  for (const [name, from] of all) {
    const shown = values[name].map((it, t) => [x(t), y(it)]).slice(Math.max(from - 1, 0));
    out.append(svg('polyline', { class: name, points: shown.map((it) => it.join(',')).join(' ') }));
    for (let t = from; t < values[name].length; t++) {
      const dot = svg('circle', { class: 'dot', cx: x(t), cy: y(values[name][t]), r: most > 400 ? 2.5 : 4, 'data-row': name, 'data-token': t });
      dot.append(svg('title', {}, `${name === 'edited' ? 'edited, ' : ''}point ${t}: ${rows[name].texts[t].trim()}`));
      dots[name][t] = dot;
      out.append(dot);
    }
  }
  return out;
}

function drawTranscript() {
  const n = rows.baseline.tokens.length;
  const box = $('text');
  if (data.series) box.append(curve());
  const [source, text] = data.groups.length > 1 ? data.groups.map((it) => it.reads) : [];
  if (source) {
    box.append(el('h3', {}, source), words('baseline', 0, data.n_source), el('h3', {}, text));
  }
  box.append(words('baseline', data.n_source, sideBySide ? split : n));
  if (sideBySide) {
    tokens.edited = tokens.baseline.slice();
    box.append(el('div', { id: 'columns' },
      el('div', {}, el('h3', {}, `baseline · amber above: ${data.series ? 'difference of forecasts' : 'KL'} of the edit`), words('baseline', split, n)),
      el('div', {}, el('h3', { class: 'edited' }, `edited · ${data.edits_words}`),
        words('edited', split, rows.edited.tokens.length))));
  }
  const target = (event) => event.target.closest?.('.tok, .dot');
  box.addEventListener('click', (event) => {
    const it = target(event);
    if (it) select({ row: rowOf(it), token: Number(it.dataset.token) }, false);
  });
  box.addEventListener('mouseover', (event) => {
    const it = target(event);
    point(it ? { row: rowOf(it), token: Number(it.dataset.token) } : null);
  });
  box.addEventListener('mouseleave', () => point(null));
}

/** A token of the part both share stays in the row that is shown. */
function rowOf(it) {
  if (Number(it.dataset.token) < split) return state.row;
  return it.dataset.row === 'baseline' && state.row === 'counterfactual' ? 'counterfactual' : it.dataset.row;
}

function point(at) {
  if (at?.row === pointed?.row && at?.token === pointed?.token) return;
  pointed = at;
  draw();
}

/** The line under each token: its strongest expert in the layer shown. */
function colorTokens() {
  for (const name of ['baseline', 'edited']) {
    tokens[name].forEach((it, t) => {
      if (name === 'edited' && t < split) return;
      const r = counterpart(state.layer, t), at = routed(name, t, r), strongest = at?.picks[0]?.expert;
      it.className = it.className.replace(/ ?\b(e\d|dash|dropped)\b/g, '');
      it.title = at?.dropped ? fullWords(r, at.dropped) : '';
      it.classList.toggle('dropped', Boolean(at?.dropped));
      dots[name][t]?.setAttribute('class', strongest === undefined ? 'dot' : `dot e${strongest % 8}`);
      if (strongest === undefined) return;
      it.classList.add(`e${strongest % 8}`);
      it.classList.toggle('dash', strongest % 16 >= 8);
    });
  }
}

function markedTokens() {
  const name = state.row === 'edited' ? 'edited' : 'baseline';
  const it = tokens[name][state.token] ?? tokens.baseline[state.token];
  return it ? [it] : [];
}

function markTokens() {
  document.querySelectorAll('.tok.now').forEach((it) => {
    it.classList.remove('now');
    it.tabIndex = -1;
  });
  for (const all of Object.values(dots)) all.forEach((it) => it.classList.remove('now'));
  (dots[state.row === 'edited' ? 'edited' : 'baseline'][state.token] ?? dots.baseline[state.token])?.classList.add('now');
  for (const it of markedTokens()) {
    it.classList.add('now');
    it.tabIndex = 0;
  }
}

// ---------------------------------------------------------------- the token pointed at

/** Edits that act on a token of a row at a router. */
function editsAt(name, t, r) {
  if (name === 'baseline') return [];
  return data.edits.filter((it) => it.on && it.routers.includes(r)
    && within(t) >= (it.from ?? 0) && (it.until === null || within(t) < it.until));
}

const property = (name) => getComputedStyle(root).getPropertyValue(`--${name}`).trim();
const printing = {};

/** Colours of amounts from 0 to 1, away from the panel. */
function ramp() {
  const [first, last] = property('ramp').split(' ').map(Number);
  return (t) => {
    const at = Math.round((first + clamp(t, 0, 1) * (last - first)) * 255);
    return `#${data.ramp.slice(at * 6, at * 6 + 6)}`;
  };
}

function luminance(color) {
  const [r, g, b] = [1, 3, 5].map((it) => Number.parseInt(color.slice(it, it + 2), 16) / 255);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

const heat = { cells: [], left: 0, top: 0, cell: [1, 1] };

/** Amounts are drawn on a scale of square roots, so that small shares are told apart. */
const shade = Math.sqrt;

function drawHeat(name, t) {
  const canvas = $('heat'), width = canvas.clientWidth || 400;
  const n = data.routers.length, e = Math.max(...data.routers.map((it) => it.n_experts), 1);
  const left = n > 0 && width > 300 ? 62 : 24, top = 18;
  const high = clamp(Math.floor(330 / Math.max(n, 1)), 4, 27);
  const wide = (width - left) / e;
  const scale = window.devicePixelRatio || 1;
  canvas.style.height = `${top + n * high}px`;
  canvas.width = Math.round(width * scale);
  canvas.height = Math.round((top + n * high) * scale);
  const draw = canvas.getContext('2d');
  draw.scale(scale, scale);
  Object.assign(heat, { left, top, cell: [wide, high], n, e, row: name, token: t });
  const color = ramp(), text = property('text'), second = property('second');
  const font = (size) => { draw.font = `${size}px ${getComputedStyle(document.body).fontFamily}`; };
  const gap = Math.min(wide, high) > 12 ? 2 : 0;
  font(11.5);
  draw.textBaseline = 'middle';
  draw.fillStyle = second;
  draw.textAlign = 'center';
  const stride = Math.ceil(22 / wide);
  for (let x = 0; x < e; x += stride) draw.fillText(x, left + (x + 0.5) * wide, 8);
  const every = Math.ceil(13 / high);
  data.routers.forEach((it, r) => {
    const y = top + r * high;
    if (r % every === 0) {
      font(11.5);
      draw.textAlign = 'right';
      draw.fillStyle = r === state.layer ? text : second;
      const label = left < 62 ? it.name : it.label.replace('encoder layer', 'enc').replace('decoder layer', 'dec').replace(' attention', ' attn');
      draw.fillText(label, left - 8, y + high / 2 + 1, left - 10);
    }
    drawCells(draw, { name, t, r, y, wide, high, left, gap, color, font });
    if (r === state.layer) {
      draw.strokeStyle = property('selected');
      draw.lineWidth = 1.5;
      draw.strokeRect(left - 0.5, y + 0.25, it.n_experts * wide - gap / 2, high - Math.max(gap - 1, 0.5));
    }
  });
}

function drawCells(draw, { name, t, r, y, wide, high, left, gap, color, font }) {
  const it = routed(name, t, r) ?? { picks: [], dropped: null, logits: null };
  const share = it.logits && probabilities(it.logits, data.routers[r].score);
  const [w, h] = [wide - gap, high - gap];
  const cell = (e, fill) => {
    draw.fillStyle = fill;
    draw.beginPath();
    draw.roundRect(left + e * wide + gap / 2, y + gap / 2, Math.max(w, 0.8), Math.max(h, 0.8), gap ? 3 : 0);
    draw.fill();
  };
  const raised = property('raised');
  for (let e = 0; e < data.routers[r].n_experts; e++) cell(e, share ? color(shade(share[e])) : raised);
  if (it.dropped) {
    const x = left + (it.dropped.expert + 0.5) * wide, middle = y + high / 2;
    const size = clamp(Math.min(wide, high) / 2 - 2, 1.5, 5);
    for (const [ink, width] of [['hairline', 4], ['ring', 2]]) {
      draw.beginPath();
      draw.moveTo(x - size, middle - size);
      draw.lineTo(x + size, middle + size);
      draw.moveTo(x - size, middle + size);
      draw.lineTo(x + size, middle - size);
      draw.lineWidth = width;
      draw.strokeStyle = property(ink);
      draw.stroke();
    }
  }
  it.picks.forEach((pick, rank) => {
    const x = left + (pick.expert + 0.5) * wide, middle = y + high / 2;
    if (Math.min(wide, high) <= 12) {
      cell(pick.expert, property('selected'));
      return;
    }
    const behind = share ? color(shade(share[pick.expert])) : raised;
    const ink = luminance(behind) > 0.5 ? '#000' : '#fff';
    const written = wide >= 46 && high >= 16;
    const at = written ? x - 14 : x;
    draw.beginPath();
    draw.arc(at, middle, rank === 0 ? 4.5 : 3.5, 0, 7);
    draw.lineWidth = 3.5;
    draw.strokeStyle = property('hairline');
    draw.stroke();
    draw.lineWidth = 1.75;
    draw.strokeStyle = property('ring');
    draw.stroke();
    if (rank === 0) { draw.fillStyle = property('ring'); draw.fill(); }
    if (written) {
      font(11.5);
      draw.textAlign = 'left';
      draw.fillStyle = ink;
      draw.fillText(pick.weight.toFixed(2), at + 9, middle + 1);
    }
  });
  for (const edit of editsAt(name, t, r)) {
    if (edit.expert === null) continue;
    const x = left + edit.expert * wide + gap / 2, top = y + gap / 2;
    draw.strokeStyle = property('amber');
    draw.lineWidth = gap ? 2 : 1;
    draw.strokeRect(x + 1, top + 1, w - 2, h - 2);
    if (edit.kind === 'mask' && gap) {
      draw.beginPath();
      draw.moveTo(x + 3, top + h - 3);
      draw.lineTo(x + w - 3, top + 3);
      draw.stroke();
    }
  }
}

function drawScale() {
  const color = ramp();
  const stops = Array.from({ length: 17 }, (_, n) => color(n / 16));
  const bar = el('span', { class: 'ramp' });
  bar.style.background = `linear-gradient(to right,${stops.join(',')})`;
  $('scale').replaceChildren('0 %', bar, '100 % of the score, by its square root',
    el('span', { class: 'end' }, data.routers.some((it) => it.capacity !== null) ? '● picked · × dropped' : '● ○ picked'));
}

/** What a router chose, also what was dropped. */
const chosen = (it) => (it.dropped ? [...it.picks, it.dropped] : it.picks);

function barOrder(it, share, r) {
  const picked = new Map(chosen(it).map((pick) => [pick.expert, pick]));
  const e = data.routers[r].n_experts;
  const by = it.selection ?? it.logits;
  const rest = Array.from({ length: e }, (_, n) => n).filter((n) => !picked.has(n));
  if (by) rest.sort((a, b) => by[b] - by[a] || a - b);
  const edited = new Set(editsAt(heat.row, heat.token, r).map((edit) => edit.expert));
  const kept = e <= 16 ? rest : rest.filter((n, place) => place < 8 || edited.has(n));
  const left = rest.filter((n) => !kept.includes(n));
  return { picked, kept, left };
}

function drawBars(name, t) {
  const r = counterpart(state.layer, t), router = data.routers[r], it = router && routed(name, t, r);
  const box = $('bars'), table = $('numbers');
  if (!it) {
    box.replaceChildren(el('p', { class: 'says' }, 'No router was recorded at this token.'));
    table.replaceChildren();
    return;
  }
  const share = it.logits && probabilities(it.logits, router.score);
  const { picked, kept, left } = barOrder(it, share, r);
  const edits = editsAt(name, t, r);
  const most = share ? Math.max(...share) : Math.max(...chosen(it).map((pick) => pick.weight), 0);
  const bar = (e) => {
    const pick = picked.get(e), size = share ? share[e] : pick?.weight ?? 0;
    const fill = el('span', { class: `fill e${e % 8}` });
    fill.style.width = `calc((100% - 60px) * ${most > 0 ? size / most : 0})`;
    const edit = edits.find((it) => it.expert === e);
    return el('div', { class: `bar${pick ? ' picked' : ''}`, 'data-expert': e },
      el('span', { class: edit ? 'edit' : null }, `expert ${e}`),
      el('span', { class: 'track' }, fill, el('span', { class: 'score', title: share ? exact(share[e]) : null },
        share ? percent(share[e]) : '')),
      el('span', { class: `weight${edit ? ' edit' : ''}`, title: pick?.state === 'd' ? fullWords(r, pick) : pick ? exact(pick.weight) : null },
        pick?.state === 'd' ? 'dropped'
          : pick ? `${pick.state === 'f' ? 'forced, ' : 'weight '}${short(pick.weight)}`
          : edit ? { mask: 'masked', bias: 'biased' }[edit.kind] ?? edit.kind : ''));
  };
  box.replaceChildren(...chosen(it).map((pick) => bar(pick.expert)), el('div', { class: 'cut' }), ...kept.map(bar),
    left.length ? el('div', { class: 'bar' }, '', el('span', {},
      share ? `${left.length} more: ${percent(left.reduce((sum, e) => sum + share[e], 0))} together` : `${left.length} more`)) : '');
  const bits = [router.rule];
  if (it.dropped) bits.push(`${fullWords(r, it.dropped)}, so the token passes no expert here`);
  if (Number.isFinite(it.margin)) bits.push(`margin ${short(it.margin)} between the weakest pick and the best left out`);
  if (share) bits.push(`entropy ${percent(entropy(share))} of the most`);
  else bits.push('the raw scores of this token are not in this file');
  bits.push(`even is ${percent(1 / router.n_experts)}`);
  $('bars-says').textContent = bits.join(' · ');
  numberTable(table, it, share, router);
}

/** Every number of the token at the layer, as the trace has it. */
function numberTable(table, it, share, router) {
  const place = new Map(chosen(it).map((pick, n) => [pick.expert, { ...pick, n }]));
  const head = ['expert', 'raw score', 'share', it.selection && 'selects by', 'weight', 'place'].filter(Boolean);
  const line = (e) => {
    const pick = place.get(e);
    const cells = [e, it.logits ? exact(it.logits[e]) : '', share ? exact(share[e]) : '',
      ...(it.selection ? [exact(it.selection[e])] : []), pick ? (pick.state === 'd' ? '0' : exact(pick.weight)) : '',
      pick ? (pick.state === 'd' ? 'dropped' : nth(pick.n + 1) + (pick.state === 'f' ? ', forced' : '')) : ''];
    return el('tr', { 'data-expert': e }, ...cells.map((cell) => el('td', {}, String(cell))));
  };
  const all = Array.from({ length: router.n_experts }, (_, e) => line(e));
  table.replaceChildren(
    el('thead', {}, el('tr', {}, ...head.map((it) => el('th', { scope: 'col' }, it)))),
    el('tbody', {}, ...all));
}

/** Experts picked at the tokens of a row in the layer shown, special tokens left out. */
function loadOf(name, r) {
  const special = new Set(data.special), n = new Array(data.routers[r].n_experts).fill(0);
  let tokens = 0, dropped = 0;
  rows[name].tokens.forEach((token, t) => {
    const it = special.has(token) ? null : routed(name, t, r);
    if (!it) return;
    tokens += 1;
    if (it.dropped) dropped += 1;
    for (const pick of it.picks) n[pick.expert] += 1;
  });
  return { n, tokens, dropped };
}

const N_LOAD = 16;

function drawLoad() {
  const r = state.layer, router = data.routers[r];
  if (!router) return;
  const all = [['baseline', loadOf('baseline', r)]];
  if (rows.edited) all.push(['edited', loadOf('edited', r)]);
  const share = ([, it], e) => (it.tokens ? it.n[e] / it.tokens : 0);
  const most = Math.max(...all.flatMap((one) => one[1].n.map((_, e) => share(one, e))), 1e-9);
  let shown = Array.from({ length: router.n_experts }, (_, e) => e);
  if (router.n_experts > N_LOAD) {
    shown = shown.sort((a, b) => share(all[0], b) - share(all[0], a) || a - b).slice(0, N_LOAD);
  }
  $('load').replaceChildren(...shown.map((e) => {
    const bars = el('div', { class: 'two' });
    for (const one of all) {
      const bar = el('div', { class: `e${e % 8}${one[0] === 'edited' ? ' after' : ''}` });
      bar.style.width = `${(share(one, e) / most) * 100}%`;
      bars.append(bar);
    }
    return el('div', { class: 'next', 'data-load': e }, el('span', { class: 'name' }, `expert ${e}`), bars,
      el('span', { class: 'value', title: all.map(([name, it]) => `${name} ${it.n[e]} of ${counted(it.tokens, 'token')}`).join(', ') },
        `${all.map((one) => short(share(one, e) * 100)).join(' → ')} %`));
  }));
  $('load-of').textContent = router.label;
  const count = all.map(([name, it]) => `${counted(it.tokens, noun)} of ${name}`).join(', ');
  $('load-says').textContent = [
    `Share of ${noun}s that picked each expert: ${count}, special ones left out`,
    router.capacity !== null && `dropped since their expert had taken its ${router.capacity}: ${all.map((one) => one[1].dropped).join(' → ')}`,
    `even is ${percent(router.top_k / Math.max(router.n_experts, 1))}`,
    rows.edited && 'amber: under the edits',
    shown.length < router.n_experts && `the ${shown.length} busiest of ${router.n_experts}`,
    `so few ${noun}s say nothing of the health of the model`,
  ].filter(Boolean).join(' · ');
}

/** Where a router stands in its group. */
const place = (r) => r - (data.groups.find((it) => isOf(it, r))?.first ?? 0);

/** What the lines under the tokens mean. */
function drawKey() {
  const router = data.routers[state.layer];
  if (!router) return;
  const shown = Math.min(router.n_experts, 16);
  const one = (e) => el('span', {}, el('i', { class: `e${e % 8}${e >= 8 ? ' dash' : ''}` }), String(e));
  const labels = data.groups.length > 1 ? data.groups.map((it) => it.first + Math.min(place(state.layer), it.n - 1)) : [state.layer];
  const named = labels.map((it) => data.routers[it]?.label).filter(Boolean).join(' and ');
  $('key').replaceChildren(...[`strongest expert in ${named}`,
    ...Array.from({ length: shown }, (_, e) => one(e)),
    router.n_experts > shown && 'and so on, every 16 alike',
    router.capacity !== null && el('span', {}, el('i', { class: 'dropped' }), 'dropped: its expert was full'),
    rows.counterfactual && el('span', {}, el('i', { class: 'amber' }), 'what the edits changed')].filter(Boolean));
}

/** What changes with the layer alone. */
function drawLayer() {
  colorTokens();
  drawKey();
  drawLoad();
}

const N_NEXT = 8;

/** What each head says: its first and last point, without and under the edits. */
function drawForecast(before, after, edited) {
  let from = 0;
  const heads = data.series.horizons.map((n) => {
    const part = (it) => (it ? Array.from(it.forecast.subarray(from, from + n), inUnits) : null);
    const out = { n, a: part(before), b: part(after) };
    from += n;
    return out;
  });
  const ends = (all) => (all.length > 1 ? `${short(all[0])} … ${short(all.at(-1))}` : short(all[0]));
  $('next').replaceChildren(...heads.map(({ n, a, b }) => el('div', { class: 'next head', 'data-horizon': n },
    el('span', { class: 'name' }, n === 1 ? 'next point' : `next ${n} points`),
    el('span', { class: edited ? 'value amber' : 'value', title: a.map(String).join(', ') }, ends(a)),
    el('span', { class: 'value amber', title: b ? b.map(String).join(', ') : null }, b ? ends(b) : ''))));
  $('next-says').textContent = [
    after ? 'amber: under the edits, on the same points' : edited ? 'under the edits' : '',
    'what each head says at once, first and last point, in the units of the series',
  ].filter(Boolean).join(' · ');
}

function drawNext(name, t) {
  const before = said(name === 'counterfactual' ? 'baseline' : name, t);
  const after = name !== 'edited' && rows.counterfactual && t >= Math.min(rows.counterfactual.from, rows.edited.from) ? said('counterfactual', t) : null;
  const box = $('next');
  if (inSource(t)) {
    box.replaceChildren(el('p', { class: 'says' }, 'A token of the source predicts nothing: the encoder reads it, the decoder writes.'));
    $('next-after').textContent = '';
    $('next-says').textContent = '';
    return;
  }
  if (!before) {
    box.replaceChildren(el('p', { class: 'says' }, 'Nothing was predicted after this token yet.'));
    $('next-says').textContent = '';
    return;
  }
  $('next-after').textContent = `after ${quoted(rows[name].texts[t] || word(rows[name].tokens[t]))}`;
  if (data.series) {
    drawForecast(before, after, name === 'edited' && t >= rows.edited.from);
    return;
  }
  const chance = (it, token) => {
    const found = it?.top.find((one) => one.token === token);
    if (found) return Math.exp(found.log_prob);
    return it?.next?.token === token ? Math.exp(it.next.log_prob) : null;
  };
  const size = (token) => Math.max(chance(before, token) ?? 0, chance(after, token) ?? 0);
  const drawn = before.next?.token;
  const drawnEdited = after && rows.edited.from > t && t + 1 < rows.edited.tokens.length ? rows.edited.tokens[t + 1] : undefined;
  const all = [...new Set([...before.top, ...(after?.top ?? [])].map((it) => it.token))];
  all.sort((a, b) => size(b) - size(a));
  const shown = all.slice(0, N_NEXT);
  for (const token of [drawn, drawnEdited]) {
    if (token !== undefined && !shown.includes(token)) shown.push(token);
  }
  const most = Math.max(...shown.map(size), 1e-9);
  const edited = name === 'edited' && t >= rows.edited.from;
  box.replaceChildren(...shown.map((token) => {
    const [a, b] = [chance(before, token), chance(after, token)];
    const bars = el('div', { class: 'two' });
    for (const [value, kind] of [[a, edited ? 'after' : ''], ...(after ? [[b, 'after']] : [])]) {
      const one = el('div', { class: kind || null });
      one.style.width = `${((value ?? 0) / most) * 100}%`;
      bars.append(one);
    }
    // Not among those kept: less likely than the last of them.
    const told = (value, it) => (value !== null ? short(value * 100)
      : it.top.length ? `<${short(Math.exp(it.top.at(-1).log_prob) * 100)}` : '–');
    const isDrawn = token === drawn, isEdited = token === drawnEdited && token !== drawn;
    return el('div', { class: `next${isDrawn ? ' drawn' : ''}${isEdited ? ' drawn-edited' : ''}`, 'data-id': token },
      el('span', { class: 'name', title: `token id ${token}` }, word(token).replace(/^ /, '·')), bars,
      el('span', { class: 'value', title: [a, b].filter((it) => it !== null).map((it) => `${it * 100} %`).join(' → ') },
        after ? `${told(a, before)} → ${told(b, after)} %` : `${told(a, before)} %`));
  }));
  $('next-says').textContent = [
    after ? 'grey: baseline, amber: under the edits, on the same words' : edited ? 'under the edits' : '',
    'bold: what followed, a dot is a space', 'softmax at temperature 1, the likeliest of the whole vocabulary',
  ].filter(Boolean).join(' · ');
}

function drawFacts(name, t) {
  const facts = [];
  const add = (label, value, unit, title, amber) => facts.push({ label, value, unit, title, amber });
  const before = t > 0 ? said(name, t - 1) : null;
  const own = before?.next;
  if (!data.series) add('Surprise', own ? -own.log_prob : null, 'nats', own && exact(-own.log_prob), false);
  if (!data.series) add('Rank', own ? own.rank : null, '', 'among all tokens, 1 is the likeliest', false);
  const changed = name === 'edited' ? null : kl(t);
  if (data.series) {
    const error = before && t < rows[name].tokens.length ? valueOf(rows[name].tokens[t]) - inUnits(before.forecast[0]) : null;
    add('Point less its forecast', error, '', 'in the units of the series', false);
  }
  if (rows.counterfactual && name !== 'edited') {
    add(`${data.series ? 'Difference of forecasts' : 'KL'} at this ${noun}`, changed, unit, changed !== null && exact(changed), true);
    const it = rows.counterfactual.compared, n = it ? t - 1 - it.at : -1;
    if (n >= 0 && n < it.kl.length && Number.isFinite(it.edited[n]) && Number.isFinite(it.baseline[n])) {
      const delta = it.edited[n] - it.baseline[n];
      add('ln p under the edits', delta, 'nats', `${exact(it.baseline[n])} → ${exact(it.edited[n])}`, true);
    }
  }
  const router = data.routers[counterpart(state.layer, t)], at = router && routed(name, t, counterpart(state.layer, t));
  if (at) {
    if (at.logits) add('Router entropy', entropy(probabilities(at.logits, router.score)) * 100, '%', 'of the most', false);
    add('Margin', at.margin, '', exact(at.margin), false);
    add('Weights before renormalising', at.sum, '', exact(at.sum), false);
  }
  $('facts').replaceChildren(...facts.map((it) => el('div', { class: it.amber ? 'amber' : null },
    el('dt', {}, it.label),
    el('dd', { title: it.title || null, 'data-fact': it.label },
      it.value === null || !Number.isFinite(it.value) ? '–' : `${short(it.value)}${it.unit && ` ${it.unit}`}`))));
}

function drawHead(name, t) {
  const text = rows[name].texts[t] || word(rows[name].tokens[t]);
  $('pointed').replaceChildren(`${rowWords[name]} · `, el('b', {}, quoted(text)), ` · ${tokenName(t)}`);
  const names = Object.keys(rows).filter((it) => it === 'edited' || t < rows[it].tokens.length);
  $('rows').replaceChildren(...(names.length < 2 ? [] : names.map((it) => el('button', {
    type: 'button', class: it === 'baseline' ? null : 'amber', 'aria-pressed': String(it === name),
    title: it === 'counterfactual' ? 'The baseline’s words under the edits (e)' : `The ${it} text (e)`,
    onclick: () => select({ row: it }),
  }, it === 'counterfactual' ? 'same words, edited' : it))));
  $('layer').value = String(state.layer);
  const it = data.routers[state.layer] && routed(name, t, counterpart(state.layer, t));
  const picks = it?.picks.map((pick) => `expert ${pick.expert} with weight ${short(pick.weight)}`).join(', ');
  $('heat').setAttribute('aria-label', `Scores of every expert for ${tokenName(t)} ${quoted(text)}, ${data.routers.length} routers; ${data.routers[counterpart(state.layer, t)]?.label ?? ''}: ${it?.dropped ? fullWords(counterpart(state.layer, t), it.dropped) : picks ?? ''}`);
  const e = data.routers[state.layer]?.n_experts ?? 0, k = data.routers[state.layer]?.top_k ?? 0;
  $('heat-says').textContent = `One ${noun}: what each router thought of ${quoted(text)}. ${e} experts, top ${k}: even is ${percent(1 / Math.max(e, 1))} of the score, ${percent(k / Math.max(e, 1))} of the ${noun}s. One ${noun} says nothing of an expert’s load.`;
}

function draw() {
  const { row: name, token: t } = pointed ?? state;
  markTokens();
  drawHead(name, t);
  drawHeat(name, t);
  drawBars(name, t);
  drawNext(name, t);
  drawFacts(name, t);
}

// ---------------------------------------------------------------- once

/** Baseline, edits and controls, in nats a token. */
function drawEffects() {
  if (!data.effects.length) return;
  const nats = (it) => (it !== 0 && Math.abs(it) < 0.001 ? '< 0.001' : short(it));
  const signed = (it) => (it >= 0.001 ? `+${short(it)}` : nats(it));
  const ranged = (mean, range, words) => (range ? `${words(mean)} (${words(range[0])} to ${words(range[1])})` : words(mean));
  const line = (it) => el('tr', { class: it.name === 'edited' ? 'edited' : null }, el('td', {}, it.name),
    el('td', {}, it.kl === null ? '' : ranged(it.kl, it.kl_range, nats)),
    el('td', {}, it.loss === null ? '' : short(it.loss)),
    el('td', {}, it.change === null ? '' : ranged(it.change, it.loss_range, signed)));
  $('effects').replaceChildren(
    el('thead', {}, el('tr', {}, ...[`${unit} a ${noun}`, data.series ? 'mean difference' : 'mean KL', 'loss', 'change of loss'].map((it) => el('th', { scope: 'col' }, it)))),
    el('tbody', {}, ...data.effects.map(line)));
}

function sentences() {
  const out = [];
  if (rows.edited) {
    const at = data.divergence;
    if (at !== null) {
      out.push(`The ${data.series ? 'series' : 'texts'} part at ${tokenName(at)}: ${quoted(rows.baseline.texts[at])}, ${quoted(rows.edited.texts[at])}.`);
    } else out.push(`The ${data.series ? 'series' : 'texts'} with and without edits are the same so far.`);
    const it = data.concentration;
    if (it) {
      out.push(`${percent(it.share)} of the change sits in ${it.n_largest} of ${counted(it.n_tokens, noun)}, the largest ${short(it.largest)} ${unit}, at ${quoted(rows.baseline.texts[it.largest_at] ?? '')} (${within(it.largest_at)}).`);
    } else out.push('The edits changed no prediction here.');
    if (it && data.layers) out.push(data.layers);
    if (data.effect) out.push(data.effect);
    drawEffects();
  }
  out.push(data.series ? 'A point of the curve, and the line under its value, has the colour of its strongest expert in the layer shown.' : 'The line under a token has the colour of its strongest expert in the layer shown.');
  $('text-says').textContent = out.join(' ');
  const written = (it) => `${counted(it.tokens.length, noun)}, ${Math.min(data.n_given, it.tokens.length)} of them given`;
  $('over').textContent = [
    `baseline ${written(rows.baseline)}`,
    rows.edited && `edited ${written(rows.edited)}`,
    data.sampling,
    `one ${whole}: what these ${noun}s did, not the health of the model`,
    document.querySelector('meta[name=generator]').content,
  ].filter(Boolean).join(' · ');
  $('left-out').textContent = data.left_out;
  $('command').textContent = data.command;
}

function drawOnce() {
  $('model').textContent = data.model;
  $('shape').textContent = data.shape;
  $('edits').append(...data.edits.map((it) => el('li', { class: it.on ? null : 'off' },
    it.words, el('span', {}, it.on ? it.span : `${it.span}, switched off`), el('code', {}, it.text))));
  $('layer').append(...data.routers.map((it, n) => el('option', { value: n }, it.label)));
  $('layer').addEventListener('change', (event) => select({ layer: Number(event.target.value) }));
  $('above').addEventListener('click', () => select({ layer: state.layer - 1 }));
  $('below').addEventListener('click', () => select({ layer: state.layer + 1 }));
  $('before').addEventListener('click', () => select({ token: state.token - 1 }));
  $('after').addEventListener('click', () => select({ token: state.token + 1 }));
  $('change-before').addEventListener('click', () => jump(true));
  $('change-after').addEventListener('click', () => jump(false));
  for (const id of ['change-before', 'change-after', 'change-keys']) $(id).hidden = changes.places.length === 0;
  $('copy').addEventListener('click', copy);
  $('theme').addEventListener('click', () => {
    root.dataset.theme = isDark() ? 'light' : 'dark';
    themed();
  });
  sentences();
}

const isDark = () => (root.dataset.theme ?? (matchMedia('(prefers-color-scheme: light)').matches ? 'light' : 'dark')) === 'dark';

function themed() {
  $('theme').textContent = isDark() ? 'Light' : 'Dark';
  $('theme').title = isDark() ? 'To the light theme' : 'To the dark theme';
  drawScale();
  draw();
}

async function copy() {
  const done = (text) => { $('copy').textContent = text; setTimeout(() => { $('copy').textContent = 'Copy'; }, 1500); };
  try {
    await navigator.clipboard.writeText(data.command);
    done('Copied');
  } catch {
    getSelection().selectAllChildren($('command'));
    done('Selected');
  }
}

/** To the next place that changed most, round the ends. */
function jump(back) {
  const all = changes.places;
  if (!all.length) return;
  const t = back ? all.findLast((it) => it < state.token) ?? all.at(-1) : all.find((it) => it > state.token) ?? all[0];
  select({ row: 'baseline', token: t });
}

function nextRow() {
  const names = Object.keys(rows);
  select({ row: names[(names.indexOf(state.row) + 1) % names.length] });
}

document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest?.('select')) return;
  const does = {
    ArrowLeft: () => select({ token: state.token - 1 }),
    ArrowRight: () => select({ token: state.token + 1 }),
    ArrowUp: () => select({ layer: state.layer - 1 }),
    ArrowDown: () => select({ layer: state.layer + 1 }),
    Home: () => select({ token: 0 }),
    End: () => select({ token: Infinity }),
    n: () => jump(false),
    p: () => jump(true),
    e: nextRow,
  }[event.key];
  if (does) {
    event.preventDefault();
    does();
  } else if ((event.key === 'Enter' || event.key === ' ') && event.target.classList?.contains('tok')) {
    event.preventDefault();
    event.target.click();
  }
});

function cellAt(event) {
  const box = $('heat').getBoundingClientRect();
  const x = Math.floor((event.clientX - box.left - heat.left) / heat.cell[0]);
  const y = Math.floor((event.clientY - box.top - heat.top) / heat.cell[1]);
  return y >= 0 && y < heat.n ? { r: y, e: x >= 0 && x < data.routers[y].n_experts ? x : null } : null;
}

$('heat').addEventListener('click', (event) => {
  const it = cellAt(event);
  if (it) select({ layer: it.r }, false);
});
$('heat').addEventListener('mousemove', (event) => {
  const it = cellAt(event), tip = $('tip');
  tip.hidden = !it || it.e === null;
  if (tip.hidden) return;
  const at = routed(heat.row, heat.token, it.r), router = data.routers[it.r];
  const share = at?.logits && probabilities(at.logits, router.score)[it.e];
  const pick = at?.picks.find((pick) => pick.expert === it.e);
  const edit = editsAt(heat.row, heat.token, it.r).find((edit) => edit.expert === it.e);
  tip.textContent = [`${router.label}, expert ${it.e}`,
    at?.logits && `score ${exact(at.logits[it.e])}, share ${exact(share)}`,
    pick && `picked, weight ${exact(pick.weight)}`, at?.dropped?.expert === it.e && fullWords(it.r, at.dropped),
    !at && data.groups.length > 1 && `reads the ${data.groups.find((one) => isOf(one, it.r)).reads}, not this token`, edit && edit.words].filter(Boolean).join('\n');
  tip.style.left = `${Math.min(event.clientX + 14, innerWidth - tip.offsetWidth - 6)}px`;
  tip.style.top = `${Math.min(event.clientY + 16, innerHeight - tip.offsetHeight - 6)}px`;
});
$('heat').addEventListener('mouseleave', () => { $('tip').hidden = true; });

addEventListener('hashchange', () => { readHash(); settle(false); drawLayer(); draw(); });
addEventListener('resize', () => draw());
matchMedia('(prefers-color-scheme: light)').addEventListener('change', themed);
addEventListener('beforeprint', () => { printing.theme = root.dataset.theme; root.dataset.theme = 'light'; themed(); });
addEventListener('afterprint', () => {
  if (printing.theme) root.dataset.theme = printing.theme;
  else delete root.dataset.theme;
  themed();
});

state.token = data.divergence ?? changes.places[0] ?? rows.baseline.tokens.length - 1;
drawOnce();
drawTranscript();
readHash();
settle(false);
drawLayer();
themed();
writeHash();
markedTokens()[0]?.scrollIntoView({ block: 'nearest' });
})();
