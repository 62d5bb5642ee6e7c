// Figures: a title, what it shows in a line, a chart (uPlot), and its numbers as a table.
const chartHeight = 230;
const drawn = new Set(); // figures whose chart is there, to be redrawn with the colours

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();

const viridis = [[68, 1, 84], [59, 82, 139], [33, 145, 140], [94, 201, 98], [253, 231, 37]];
function ramp(share) {
  const at = Math.min(Math.max(share, 0), 1) * (viridis.length - 1);
  const low = Math.min(Math.floor(at), viridis.length - 2);
  const mixed = viridis[low].map((c, i) => Math.round(c + (viridis[low + 1][i] - c) * (at - low)));
  return `rgb(${mixed.join(" ")})`;
}
const rampCss = `linear-gradient(to right, ${[0, 0.25, 0.5, 0.75, 1].map(ramp).join(", ")})`;

const charts = new ResizeObserver((entries) => {
  for (const entry of entries) {
    const figure = entry.target.figureOfChart;
    if (figure?.plot && Math.abs(figure.plot.width - entry.contentRect.width) > 1)
      figure.plot.setSize({ width: entry.contentRect.width, height: chartHeight });
  }
});
const arriving = new IntersectionObserver((entries) => {
  for (const entry of entries) {
    if (!entry.isIntersecting) continue;
    arriving.unobserve(entry.target);
    entry.target.figureOfChart.draw();
  }
}, { rootMargin: "300px" });

// spec: title, note, summary (for those who don't see the chart), options(), data, header, rows
function addFigure(parent, spec) {
  const box = element("div", { role: "img", "aria-label": `${spec.title}. ${spec.summary ?? spec.note}` });
  box.style.minHeight = `${chartHeight}px`;
  const numbers = element("div", { class: "numbers", tabindex: "0" });
  const details = element("details", {
    ontoggle: () => {
      if (!numbers.childElementCount) numbers.append(table(spec));
    },
  }, element("summary", {}, "Numbers"), numbers);
  const caption = element("figcaption", {}, element("h3", {}, spec.title), element("p", {}, ...[spec.note].flat()));
  parent.append(element("figure", {}, caption, box, details));
  const figure = {
    draw() {
      figure.plot?.destroy();
      figure.plot = new uPlot({ width: Math.max(box.clientWidth, 200), height: chartHeight, ...spec.options() }, spec.data, box);
      drawn.add(figure);
    },
    box,
  };
  box.figureOfChart = figure;
  charts.observe(box);
  arriving.observe(box);
}

function table(spec) {
  const row = (cells, tag) => element("tr", {}, ...cells.map((cell) => element(tag, {}, typeof cell === "number" ? number(cell) : cell)));
  return element("table", {}, element("thead", {}, row(spec.header, "th")), element("tbody", {}, ...spec.rows.map((cells) => row(cells, "td"))));
}

function forgetFigures(parent) {
  for (const figure of drawn) {
    if (!parent.contains(figure.box)) continue;
    figure.plot.destroy();
    drawn.delete(figure);
  }
  parent.replaceChildren();
}

function redrawFigures() {
  for (const figure of drawn) figure.draw();
}

function axis(label, more = {}) {
  return {
    label, labelSize: 18, labelGap: -4, size: 40, font: "12px system-ui", labelFont: "12px system-ui", stroke: colour("quiet"),
    grid: { stroke: colour("line"), width: 1 }, ticks: { stroke: colour("line"), width: 1 }, ...more,
  };
}

const frame = (series, axes, more = {}) => ({
  series: [{}, ...series], axes, legend: { show: false }, cursor: { drag: { x: false, y: false } },
  scales: { x: { time: false } }, ...more,
});

function addBars(parent, { title, note, summary, xLabel, yLabel, labels, values, colourName = "accent" }) {
  const x = values.map((_, i) => i);
  const options = () => frame(
    [{ stroke: colour(colourName), fill: colour(colourName), paths: uPlot.paths.bars({ size: [0.8, 60] }), points: { show: false } }],
    [axis(xLabel, { incrs: [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000], values: (_, ticks) => ticks.map((t) => labels[t] ?? "") }), axis(yLabel, { size: 56 })],
    { scales: { x: { time: false, range: [-0.6, values.length - 0.4] }, y: { range: (_, low, high) => [Math.min(0, low), high * 1.05 || 1] } } });
  addFigure(parent, { title, note, summary, options, data: [x, [...values]], header: [xLabel, yLabel], rows: [...values].map((value, i) => [labels[i], value]) });
}

// lines: [{label, values, spread?, colourName}]; a spread is drawn as a band of one standard deviation
function addLines(parent, { title, note, summary, xLabel, yLabel, x, xNames, lines, zero = false, marks = false }) {
  const clean = (values) => Array.from(values, (value) => (Number.isNaN(value) ? null : value));
  const series = [], columns = [], bands = [];
  for (const { values, spread, colourName } of lines) {
    const mean = clean(values);
    if (spread) {
      const edge = (sign) => mean.map((value, i) => (value === null ? null : value + sign * spread[i]));
      const hidden = () => ({ stroke: "transparent", points: { show: false }, spanGaps: true });
      bands.push({ series: [columns.length + 1, columns.length + 2], fill: () => colour(`${colourName}-band`) });
      columns.push(edge(1), edge(-1));
      series.push(hidden, hidden);
    }
    columns.push(mean);
    series.push(() => ({ stroke: colour(colourName), width: 2, points: { show: marks, size: 6, fill: colour(colourName) }, spanGaps: true }));
  }
  const options = () => frame(series.map((make) => make()), [axis(xLabel), axis(yLabel, { size: 56 })], {
    bands, scales: { x: { time: false }, y: zero ? { range: (_, low, high) => [Math.min(0, low), high * 1.05 || 1] } : {} },
  });
  const header = [xLabel, ...lines.flatMap((line) => (line.spread ? [line.label, "spread"] : [line.label]))];
  const rows = x.map((value, i) => [xNames?.[i] ?? value, ...lines.flatMap((line) => (line.spread ? [line.values[i], line.spread[i]] : [line.values[i]]))]);
  addFigure(parent, { title, note, summary, options, data: [x, ...columns], header, rows });
}

// points: [[x, y, share]]; share 0..1 picks the colour
function addScatter(parent, { title, note, summary, xLabel, yLabel, points, header, rows }) {
  const sorted = [...points].sort((a, b) => a[0] - b[0]);
  const dots = (plot) => {
    const radius = 3 * devicePixelRatio;
    plot.ctx.strokeStyle = colour("edge");
    plot.ctx.lineWidth = devicePixelRatio * 0.75;
    for (const [x, y, share] of sorted) {
      plot.ctx.beginPath();
      plot.ctx.arc(plot.valToPos(x, "x", true), plot.valToPos(y, "y", true), radius, 0, 2 * Math.PI);
      plot.ctx.fillStyle = ramp(share);
      plot.ctx.fill();
      plot.ctx.stroke();
    }
  };
  const padded = (_, low, high) => [low - (high - low) * 0.05 - 1e-9, high + (high - low) * 0.05 + 1e-9];
  const options = () => frame([{ paths: () => null, points: { show: false } }], [axis(xLabel), axis(yLabel, { size: 56 })], {
    scales: { x: { time: false, range: padded }, y: { range: padded } }, hooks: { draw: [dots] }, cursor: { show: false },
  });
  addFigure(parent, { title, note, summary, options, data: [sorted.map((p) => p[0]), sorted.map((p) => p[1])], header, rows });
}
