// What the page shows: JSON in the page, with arrays as base64 that are decoded when a head is shown.
const data = JSON.parse(document.getElementById("data").textContent);
const headOf = new Map(data.heads.map((head) => [head.name, head]));

function bytes(text) {
  return Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer;
}
const floats = (text) => new Float32Array(bytes(text));
const integers = (text) => new Int32Array(bytes(text));

// Consecutive parts of equal length.
function parts(array, count) {
  const length = array.length / count;
  return Array.from({ length: count }, (_, i) => array.slice(i * length, (i + 1) * length));
}

function number(value) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (Number.isInteger(value)) return value.toLocaleString("en");
  return Number(value.toPrecision(4)).toLocaleString("en", { maximumSignificantDigits: 4 });
}

const middles = (edges) => edges.slice(1).map((end, i) => (edges[i] + end - 1) / 2);
const spans = (edges) => edges.slice(1).map((end, i) => (end - edges[i] > 1 ? `${edges[i]}–${end - 1}` : `${edges[i]}`));

function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else if (value !== undefined) made.setAttribute(name, value);
  }
  made.append(...children);
  return made;
}
