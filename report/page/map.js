// The map of layers and heads: a grid of buttons, coloured by a metric, one stop of the Tab key.
const map = document.getElementById("map");
const cells = new Map(); // "layer head" -> button
let kind = "q";

function metricRange(index) {
  const values = data.heads.filter((head) => head.kind === kind).map((head) => head.metrics[index]).filter((value) => value !== null);
  return values.length ? [Math.min(...values), Math.max(...values)] : null;
}

function buildMap() {
  cells.clear();
  const shown = data.heads.filter((head) => head.kind === kind);
  const layers = [...new Set(shown.map((head) => head.layer))].sort((a, b) => a - b);
  const width = Math.max(0, ...shown.map((head) => head.head + 1));
  const at = new Map(shown.map((head) => [`${head.layer} ${head.head}`, head]));
  const heads = Array.from({ length: width }, (_, i) => i);
  const top = element("tr", {}, element("th", { scope: "col" }, "layer"), ...heads.map((i) => element("th", { scope: "col" }, `${i}`)));
  const body = layers.map((layer) => element("tr", {}, element("th", { scope: "row" }, `${layer}`), ...heads.map((i) => {
    const head = at.get(`${layer} ${i}`);
    return element("td", {}, head ? cell(head) : element("span", { class: "empty", title: `layer ${layer}, head ${i}: not captured` }));
  })));
  map.replaceChildren(element("table", { "aria-label": `Captured ${kind === "q" ? "query" : "key"} heads by layer` }, element("thead", {}, top), element("tbody", {}, ...body)));
  const first = cells.values().next().value;
  if (first) first.tabIndex = 0;
}

function cell(head) {
  const button = element("button", { type: "button", tabindex: "-1", "aria-pressed": "false", onclick: () => openHead(head.name), onkeydown: moveInMap });
  button.head = head;
  cells.set(`${head.layer} ${head.head}`, button);
  return button;
}

function paintMap() {
  const index = Number(document.getElementById("metric").value);
  const metric = data.metrics[index];
  const range = metricRange(index);
  document.getElementById("metric-note").textContent = metric.note;
  for (const button of cells.values()) {
    const value = button.head.metrics[index];
    button.style.background = value === null || !range ? "var(--empty)" : ramp(range[1] > range[0] ? (value - range[0]) / (range[1] - range[0]) : 0.5);
    const text = `${button.head.name}: ${metric.title} ${number(value)}`;
    button.title = text;
    button.setAttribute("aria-label", text);
  }
  const legend = document.getElementById("legend");
  const bar = element("div", { class: "ramp" });
  bar.style.background = rampCss;
  legend.replaceChildren(...(range ? [element("div", {}, metric.title), bar, element("div", { class: "ends" }, element("span", {}, number(range[0])), element("span", {}, number(range[1])))] : [`${metric.title}: of query heads whose key head was captured`]));
}

function showKind(wanted) {
  kind = wanted;
  document.querySelector(`input[name=kind][value=${kind}]`).checked = true;
  buildMap();
  paintMap();
}

function pressCell(head) {
  for (const button of cells.values()) {
    const pressed = button.head === head;
    button.setAttribute("aria-pressed", `${pressed}`);
    if (pressed) focusable(button);
  }
}

function focusable(button) {
  for (const other of cells.values()) other.tabIndex = -1;
  button.tabIndex = 0;
}

function moveInMap(event) {
  const steps = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0], Home: "first", End: "last" };
  const step = steps[event.key];
  if (!step) return;
  event.preventDefault();
  const all = [...cells.values()];
  const { layer, head } = event.target.head;
  const next = step === "first" ? all[0] : step === "last" ? all.at(-1) : nearest(all, layer, head, step);
  if (!next) return;
  focusable(next);
  next.focus();
}

// The nearest captured head in that direction: along the row, or in the next row that has any.
function nearest(all, layer, head, [down, right]) {
  const distance = (b) => (right ? Math.abs(b.head.head - head) : Math.abs(b.head.layer - layer) * 1000 + Math.abs(b.head.head - head));
  const ahead = all.filter((b) => (right ? b.head.layer === layer && (b.head.head - head) * right > 0 : (b.head.layer - layer) * down > 0));
  return ahead.sort((a, b) => distance(a) - distance(b))[0];
}
