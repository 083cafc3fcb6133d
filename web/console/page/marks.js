/** The marks of the map. Each state has a shape of its own beside its colour. */

const FULL_TURN = 2 * Math.PI;
// A mark keeps its contrast on land, water, names and circles by what lies around it.
const HALO_PX = 2;
const DIM = 0.5;

/**
 * All drivers of one state.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {string} state
 * @param {{x: number, y: number}[]} points
 * @param {CSSStyleDeclaration} style
 * @param {boolean} stale whether these have not been seen lately
 */
export function drawDrivers(context, state, points, style, stale) {
  const hollow = state === "busy";
  context.globalAlpha = stale ? DIM : 1;
  context.beginPath();
  for (const { x, y } of points) SHAPES[state](context, x, y);
  context.strokeStyle = context.fillStyle = style.getPropertyValue("--halo");
  context.lineWidth = 2 * HALO_PX + (hollow ? 2 : 0);
  context.stroke();
  if (hollow) context.fill();
  context.fillStyle = context.strokeStyle = style.getPropertyValue(`--${state}`);
  context.lineWidth = 2;
  if (hollow) context.stroke();
  else context.fill();
  context.globalAlpha = 1;
}

const SHAPES = {
  available: (context, x, y) => circle(context, x, y, 4),
  busy: (context, x, y) => circle(context, x, y, 4),
  on_trip: (context, x, y) => context.rect(x - 4, y - 4, 8, 8),
  silent: (context, x, y) => circle(context, x, y, 3),
  unavailable: (context, x, y) => circle(context, x, y, 2),
};

/**
 * A search: its pickup, and the circle in which drivers are asked. Filled for the chosen one alone: forty filled
 * circles over each other hide the map.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {{x: number, y: number}} point
 * @param {number} radius in pixels
 * @param {{name: string, chosen: boolean, text: string}} look the colour's name, and what is written beside it
 * @param {CSSStyleDeclaration} style
 */
export function drawSearch(context, { x, y }, radius, { name, chosen, text }, style) {
  const colour = style.getPropertyValue(`--${name}`);
  context.beginPath();
  circle(context, x, y, radius);
  context.fillStyle = context.strokeStyle = colour;
  context.globalAlpha = 0.12;
  if (chosen) context.fill();
  context.globalAlpha = chosen ? 1 : 0.5;
  context.lineWidth = chosen ? 2 : 1;
  context.stroke();
  context.globalAlpha = 1;
  diamond(context, x, y, 8, style.getPropertyValue("--halo"));
  diamond(context, x, y, 6, colour);
  if (text) written(context, text, x + 11, y + 4, style);
}

/** A letter on a disc: where an order begins, stops and ends. */
export function drawStop(context, { x, y }, letter, style) {
  context.beginPath();
  circle(context, x, y, 10);
  context.fillStyle = style.getPropertyValue("--accent");
  context.fill();
  context.fillStyle = style.getPropertyValue("--on-accent");
  context.font = "bold 12px system-ui, sans-serif";
  context.textAlign = "center";
  context.fillText(letter, x, y + 4);
  context.textAlign = "left";
}

/** A ring around a driver whom the chosen order concerns. */
export function drawRing(context, { x, y }, radius, colour) {
  context.beginPath();
  circle(context, x, y, radius);
  context.strokeStyle = colour;
  context.lineWidth = 2.5;
  context.stroke();
}

/** A line through these points. @param {number[]} dashes none for a continuous one */
export function drawLine(context, points, width, colour, dashes = []) {
  context.beginPath();
  for (const { x, y } of points) context.lineTo(x, y);
  context.setLineDash(dashes);
  context.lineWidth = width;
  context.strokeStyle = colour;
  context.stroke();
  context.setLineDash([]);
}

function written(context, text, x, y, style) {
  context.font = "12px system-ui, sans-serif";
  context.lineWidth = 3;
  context.strokeStyle = style.getPropertyValue("--halo");
  context.strokeText(text, x, y);
  context.fillStyle = style.getPropertyValue("--text");
  context.fillText(text, x, y);
}

function diamond(context, x, y, size, colour) {
  context.beginPath();
  context.moveTo(x, y - size);
  context.lineTo(x + size, y);
  context.lineTo(x, y + size);
  context.lineTo(x - size, y);
  context.closePath();
  context.fillStyle = colour;
  context.fill();
}

function circle(context, x, y, radius) {
  context.moveTo(x + radius, y);
  context.arc(x, y, radius, 0, FULL_TURN);
}
