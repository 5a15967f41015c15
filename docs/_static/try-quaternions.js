// Two quaternions, their product, its table and three cubes. Plain JavaScript: works from a file, without a network.
"use strict";

const UNITS = ["1", "i", "j", "k"];
const NAMES = ["r", "i", "j", "k"];
const START = { p: [1, 0, 0, 1], q: [1, 1, 0, 0] };

function hamiltonProduct([a, b, c, d], [e, f, g, h]) {
  return [
    a * e - b * f - c * g - d * h,
    a * f + b * e + c * h - d * g,
    a * g - b * h + c * e + d * f,
    a * h + b * g - c * f + d * e,
  ];
}

const conjugate = ([r, i, j, k]) => [r, -i, -j, -k];
const norm = (p) => Math.hypot(...p);
const normalize = (p) => p.map((x) => x / norm(p));
const unit = (n) => [0, 1, 2, 3].map((m) => Number(m === n));

// Rotate the vector v of three numbers by u v u*, where u is p divided by its norm.
function rotate(p, v) {
  const u = normalize(p);
  return hamiltonProduct(hamiltonProduct(u, [0, ...v]), conjugate(u)).slice(1);
}

// Return [sign, component] of the product of two units, such as [-1, 3] for j i = -k.
function unitProduct(a, b) {
  const product = hamiltonProduct(unit(a), unit(b));
  const component = product.findIndex((x) => x !== 0);
  return [product[component], component];
}

function number(x) {
  const text = String(Math.round(Math.abs(x) * 1000) / 1000);
  return (x < 0 && text !== "0" ? "−" : "") + text;
}

// Return the usual notation, such as "1 − 2i + k".
function notation(p) {
  const terms = p.map((x, n) => [number(x), n ? UNITS[n] : ""]).filter(([text]) => text !== "0");
  const sum = terms.map(([text, name], n) => {
    const size = text.replace("−", "");
    const sign = text.startsWith("−") ? (n ? " − " : "−") : n ? " + " : "";
    return sign + (size === "1" && name ? "" : size) + name;
  });
  return sum.join("") || "0";
}

function rotationText(p) {
  const [r, ...axis] = normalize(p);
  const sine = Math.hypot(...axis);
  const degrees = (2 * Math.atan2(sine, r) * 180) / Math.PI;
  if (sine < 1e-9) return "no rotation";
  return `${number(degrees)}° about (${axis.map((x) => number(x / sine)).join(", ")})`;
}

// The four terms of each component of p ⊗ q: [[sign, a, b], ...] with the indices of the factors.
function terms(component) {
  const pairs = UNITS.flatMap((_, a) => UNITS.map((__, b) => [...unitProduct(a, b), a, b]));
  return pairs.filter(([, c]) => c === component).map(([sign, , a, b]) => [sign, a, b]);
}

if (typeof module !== "undefined") module.exports = { hamiltonProduct, rotate, unitProduct, notation, terms };

// ---- the page ----

const VIEW = hamiltonProduct([Math.cos(0.3), Math.sin(0.3), 0, 0], [Math.cos(0.3), 0, -Math.sin(0.3), 0]);
const CORNERS = [[-1, -1], [-1, 1], [1, 1], [1, -1]];

function element(parent, tag, attributes = {}, text = "") {
  const svg = ["svg", "polygon", "text"].includes(tag);
  const node = svg ? document.createElementNS("http://www.w3.org/2000/svg", tag) : document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.textContent = text;
  return parent.appendChild(node);
}

// Draw the faces of a cube rotated by p that point to the viewer. The face "i" is the one on the first axis.
function drawCube(svg, p) {
  svg.replaceChildren();
  const seen = (v) => rotate(VIEW, rotate(p, v));
  for (const axis of [0, 1, 2]) {
    for (const side of [1, -1]) {
      const point = (y, z) => [0, 1, 2].map((n) => (n === axis ? side : n === (axis + 1) % 3 ? y : z));
      const center = seen(point(0, 0));
      if (center[2] <= 0) continue;
      const points = CORNERS.map(([y, z]) => seen(point(y, z))).map(([x, y]) => `${x},${-y}`);
      element(svg, "polygon", { points: points.join(" "), class: `component-${axis + 1}` });
      element(svg, "text", { x: center[0], y: -center[1] }, (side < 0 ? "−" : "") + UNITS[axis + 1]);
    }
  }
}

// Dragging on a cube rotates it about an axis in the plane of the screen: p becomes d ⊗ p.
function drag(svg, get, set) {
  svg.addEventListener("pointerdown", (event) => svg.setPointerCapture(event.pointerId));
  svg.addEventListener("pointermove", (event) => {
    const axis = [event.movementY, event.movementX, 0];
    const angle = Math.hypot(...axis) / 100;
    if (!event.buttons || !angle || !norm(get())) return;
    const direction = rotate(conjugate(VIEW), axis.map((x) => x / Math.hypot(...axis)));
    set(hamiltonProduct([Math.cos(angle / 2), ...direction.map((x) => x * Math.sin(angle / 2))], get()));
  });
}

function start(root) {
  const state = { p: [...START.p], q: [...START.q] };
  function readAddress() {
    for (const [, name, text] of location.hash.matchAll(/([pq])=([^&]*)/g)) {
      const numbers = text.split(",").map(Number);
      if (numbers.length === 4 && numbers.every(Number.isFinite)) state[name] = numbers;
    }
  }
  readAddress();
  addEventListener("hashchange", () => { readAddress(); show(); });
  const inputs = {};
  const cubes = {};
  const captions = {};
  const editors = element(root, "div", { class: "editors" });
  for (const name of ["p", "q"]) inputs[name] = editor(editors, name);
  const buttons = element(root, "div", { class: "buttons" });
  button(buttons, "Exchange p and q", () => [state.p, state.q] = [state.q, state.p]);
  button(buttons, "Divide by the norms", () => ["p", "q"].forEach((n) => norm(state[n]) && (state[n] = normalize(state[n]))));
  button(buttons, "Reset", () => Object.assign(state, { p: [...START.p], q: [...START.q] }));
  const result = element(root, "div", { class: "result", "aria-live": "polite" });
  const figures = element(root, "div", { class: "cubes" });
  for (const name of ["p", "q", "product"]) {
    const figure = element(figures, "figure");
    cubes[name] = element(figure, "svg", { viewBox: "-1.9 -1.9 3.8 3.8", class: name === "product" ? "" : "draggable" });
    captions[name] = element(figure, "figcaption");
    if (name !== "product") drag(cubes[name], () => state[name], (p) => { state[name] = p; show(); });
  }
  const table = element(element(root, "div", { class: "table-scroll" }), "table");

  function editor(parent, name) {
    const fields = element(parent, "fieldset");
    element(fields, "legend", {}, name);
    return UNITS.map((_, n) => {
      const label = element(fields, "label");
      element(element(label, "span", {}, name), "sub", {}, NAMES[n]);
      const typed = element(label, "input", { type: "number", step: "any", "aria-label": `${name}, component ${NAMES[n]}` });
      const slider = element(label, "input", { type: "range", min: -3, max: 3, step: 0.1, "aria-label": `slider of ${name}, component ${NAMES[n]}` });
      for (const input of [typed, slider]) input.addEventListener("input", () => {
        if (!Number.isFinite(input.valueAsNumber)) return;
        state[name][n] = input.valueAsNumber;
        show(input);
      });
      return [typed, slider];
    });
  }

  function button(parent, text, change) {
    element(parent, "button", { type: "button" }, text).addEventListener("click", () => { change(); show(); });
  }

  function show(edited) {
    const { p, q } = state;
    const product = hamiltonProduct(p, q);
    for (const name of ["p", "q"]) inputs[name].forEach((pair, n) => pair.forEach((input) => {
      if (input !== edited) input.value = Number(state[name][n].toFixed(3));
    }));
    result.replaceChildren();
    element(result, "p", { id: "product" }, `p ⊗ q = ${notation(product)}`);
    element(result, "p", { id: "exchanged" }, `q ⊗ p = ${notation(hamiltonProduct(q, p))}`);
    element(result, "p", {}, `|p| |q| = ${number(norm(p) * norm(q))} = |p ⊗ q|`);
    UNITS.forEach((_, c) => showComponent(result, c, p, q, product[c]));
    for (const [name, value] of Object.entries({ p, q, product })) {
      captions[name].textContent = `${name === "product" ? "p ⊗ q: first q, then p" : name}: `;
      captions[name].textContent += norm(value) ? rotationText(value) : "0 is not a rotation";
      norm(value) ? drawCube(cubes[name], value) : cubes[name].replaceChildren();
    }
    showTable(table, p, q);
  }
  show();
}

function showComponent(parent, c, p, q, sum) {
  const texts = terms(c).map(([sign, a, b]) => `${sign < 0 ? "− " : "+ "}(${number(p[a])} · ${number(q[b])})`);
  element(parent, "p", { class: `terms component-${c}` }, `${NAMES[c]}: ${texts.join(" ").replace(/^\+ /, "")} = ${number(sum)}`);
}

function showTable(table, p, q) {
  table.replaceChildren();
  const head = element(table, "tr");
  element(head, "th", {}, "p ⊗ q");
  q.forEach((x, b) => element(head, "th", {}, `${number(x)} · ${UNITS[b]}`));
  p.forEach((x, a) => {
    const row = element(table, "tr");
    element(row, "th", {}, `${number(x)} · ${UNITS[a]}`);
    q.forEach((y, b) => {
      const [sign, c] = unitProduct(a, b);
      const cell = element(row, "td", { class: `component-${c}` }, (sign < 0 ? "−" : "") + UNITS[c]);
      element(cell, "small", {}, number(sign * x * y));
    });
  });
}

if (typeof document !== "undefined") start(document.getElementById("quaternion-page"));
