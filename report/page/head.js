// One head: its charts, and the way to the heads it works with.
const headCharts = document.getElementById("head-charts");

function openHead(name, { focus = true } = {}) {
  const head = headOf.get(name);
  if (!head) return false;
  if (kind !== head.kind) showKind(head.kind);
  pressCell(head);
  const title = document.getElementById("head-title");
  title.textContent = `${head.name}: layer ${head.layer}, ${head.kind === "q" ? "query" : "key"} head ${head.head}`;
  describeHead(head);
  forgetFigures(headCharts);
  headFigures(head);
  history.replaceState(null, "", `#${name}`);
  if (focus) {
    title.focus({ preventScroll: true });
    title.scrollIntoView({ behavior: matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth" });
  }
  return true;
}

function describeHead(head) {
  const attention = head.window ? `a window of ${number(head.window)} tokens` : "full attention";
  const note = document.getElementById("head-note");
  note.replaceChildren(`${number(head.rows)} vectors of ${number(head.documents)} documents, ${attention}. `);
  if (!head.links.length) return;
  note.append(head.kind === "q" ? "Its key head: " : "Its query heads: ");
  head.links.forEach((name, i) => {
    const link = element("a", { href: `#${name}`, onclick: (event) => { event.preventDefault(); openHead(name); } }, name);
    note.append(i ? ", " : "", link);
  });
}

const colourOf = (head) => (head.kind === "q" ? "query" : "key");

function headFigures(head) {
  const key = head.kind === "q" && head.links.length ? headOf.get(head.links[0]) : null;
  addPoints(head);
  if (key) addPoints(key);
  addNorms(head, key);
  if (head.logits) addLogits(head);
  addSpectrum(head, key);
  addVariance(head, key);
  addBars(headCharts, {
    title: "Rows per bucket", note: "How many vectors were kept from each range of positions.", xLabel: "bucket", yLabel: "rows",
    labels: data.buckets.map((bucket) => `${bucket.bucket}`), values: Array.from(integers(head.bucketRows)), colourName: colourOf(head),
  });
}

// points: position, then two coordinates, of each row of the sample
function addPoints(head) {
  const [position, x, y] = parts(floats(head.points), 3).map((part) => Array.from(part));
  const last = Math.max(1, data.positions.at(-1) - 1);
  const swatch = element("span", { class: "key" });
  swatch.style.cssText = `width: 4em; border-radius: 3px; background: ${rampCss}`;
  addScatter(headCharts, {
    title: `Principal components of ${head.name}`,
    note: [`${position.length} vectors; colour: position 0 `, swatch, ` ${number(last)}.`],
    summary: `${position.length} vectors on their first two principal components, coloured by position.`,
    xLabel: "first component", yLabel: "second component", points: position.map((p, i) => [x[i], y[i], p / last]),
    header: ["position", "first", "second"], rows: position.map((p, i) => [p, x[i], y[i]]),
  });
}

// A query head's line, and its key head's beside it.
function withKey(head, key, make) {
  return [head, ...(key ? [key] : [])].map((one) => ({ label: one.name, colourName: colourOf(one), ...make(one) }));
}

function keyOf(lines) {
  return lines.flatMap((line) => {
    const dot = element("span", { class: "key" });
    dot.style.background = `var(--${line.colourName})`;
    return [" ", element("span", { class: "line-name" }, dot, line.label)];
  });
}

function addNorms(head, key) {
  const lines = withKey(head, key, (one) => {
    const [values, spread] = parts(floats(one.norm), 2);
    return { values: Array.from(values), spread: one === head ? Array.from(spread) : undefined };
  });
  addLines(headCharts, {
    title: "Norm by position", note: ["Mean length of the vectors; band: one standard deviation.", ...keyOf(lines)],
    summary: `Mean ${number(head.metrics[0])}.`, xLabel: "position", yLabel: "norm", x: middles(data.positions), xNames: spans(data.positions), lines,
  });
}

function addLogits(head) {
  const [mean, spread, pairs] = parts(floats(head.logits), 3).map((part) => Array.from(part));
  const x = middles(data.distances).map((distance) => Math.log2(distance + 1));
  addLines(headCharts, {
    title: "Logit by distance",
    note: `q·k / √${data.headDim} of ${number(pairs.reduce((sum, n) => sum + n, 0))} pairs of a query and a key at or before it in the same document; band: one standard deviation.`,
    xLabel: "log₂(distance + 1)", yLabel: "logit", x, xNames: spans(data.distances), lines: [{ label: "mean", values: mean, spread, colourName: "query" }],
  });
}

function addSpectrum(head, key) {
  const lines = withKey(head, key, (one) => ({ values: Array.from(floats(one.spectrum)) }));
  addLines(headCharts, {
    title: "Energy by RoPE frequency", note: [data.spectrumNote, ...keyOf(lines)], xLabel: "pair of dimensions", yLabel: "share of energy",
    x: lines[0].values.map((_, i) => i), lines, zero: true,
  });
}

function addVariance(head, key) {
  const lines = withKey(head, key, (one) => ({ values: Array.from(floats(one.variance)) }));
  addLines(headCharts, {
    title: "Explained variance", note: ["Share of the variance in the first principal components.", ...keyOf(lines)],
    summary: `${number(100 * lines[0].values[0])} % in the first component.`, xLabel: "components", yLabel: "share",
    x: lines[0].values.map((_, i) => i + 1), lines, zero: true,
  });
}
