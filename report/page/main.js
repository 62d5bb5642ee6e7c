// The page from top to bottom.
function showRun() {
  document.title = `${data.title} – capture report`;
  document.getElementById("title").textContent = data.title;
  document.getElementById("subtitle").textContent = data.subtitle;
  document.getElementById("facts").append(...Object.entries(data.facts).flatMap(([label, value]) => [element("div", {}, element("dt", {}, label), element("dd", {}, value))]));
  document.getElementById("config").textContent = data.config;
  showFlags();
  addBars(document.getElementById("buckets"), {
    title: "Rows per bucket", note: `Over all heads. ${data.bucketNote}`, xLabel: "bucket", yLabel: "rows",
    labels: data.buckets.map((bucket) => `${bucket.bucket}`), values: data.buckets.map((bucket) => bucket.rows),
  });
}

function showFlags() {
  const items = data.flags.map((flag) => element("li", { class: flag.level }, element("strong", {}, flag.level === "problem" ? "Problem " : "Note "), flag.where ? `${flag.where}: ` : "", flag.text));
  const none = element("p", {}, "Nothing odd about the data: no duplicates, no vectors of zeros, NaN or infinity, no empty buckets, all rows there.");
  document.getElementById("flags").append(items.length ? element("ul", { class: "flags" }, ...items) : none);
}

function showLayers() {
  const layers = [...new Set(data.heads.map((head) => head.layer))].sort((a, b) => a - b);
  const parent = document.getElementById("layer-charts");
  data.metrics.forEach((metric, index) => {
    const lines = [["q", "queries", "query"], ["k", "keys", "key"]].map(([wanted, label, colourName]) => ({
      label, colourName,
      values: layers.map((layer) => {
        const values = data.heads.filter((head) => head.layer === layer && head.kind === wanted).map((head) => head.metrics[index]).filter((value) => value !== null);
        return values.length ? values.reduce((sum, value) => sum + value, 0) / values.length : NaN;
      }),
    })).filter((line) => line.values.some((value) => !Number.isNaN(value)));
    if (!lines.length || metric.id === "rows") return;
    addLines(parent, { title: metric.title[0].toUpperCase() + metric.title.slice(1), note: [metric.note, ...keyOf(lines)], xLabel: "layer", yLabel: metric.title, x: layers, lines, marks: true });
  });
}

function showTheme() {
  const wanted = document.getElementById("theme").value;
  const dark = wanted === "dark" || (wanted === "auto" && matchMedia("(prefers-color-scheme: dark)").matches);
  document.documentElement.dataset.theme = dark ? "dark" : "light";
  redrawFigures();
}

function connectControls() {
  const metric = document.getElementById("metric");
  metric.append(...data.metrics.map((entry, i) => element("option", { value: `${i}` }, entry.title)));
  metric.addEventListener("change", paintMap);
  for (const radio of document.querySelectorAll("input[name=kind]")) radio.addEventListener("change", () => showKind(radio.value));
  const find = document.getElementById("find");
  document.getElementById("names").append(...data.heads.map((head) => element("option", { value: head.name })));
  find.addEventListener("change", () => {
    const found = openHead(find.value.trim());
    find.setAttribute("aria-invalid", `${!found}`);
  });
  document.getElementById("theme").addEventListener("change", showTheme);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", showTheme);
}

showTheme();
showRun();
connectControls();
if (data.heads.length) {
  showKind(data.heads[0].kind);
  if (!openHead(location.hash.slice(1), { focus: false })) openHead(data.heads[0].name, { focus: false });
}
showLayers();
document.documentElement.dataset.ready = "true";
