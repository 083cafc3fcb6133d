/** The marks of the map. Each state has a shape of its own beside its colour. */

const FULL_TURN = 2 * Math.PI;

/**
 * All drivers of one state.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {string} state
 * @param {{x: number, y: number}[]} points
 * @param {CSSStyleDeclaration} style
 */
export function drawDrivers(context, state, points, style) {
  context.fillStyle = context.strokeStyle = style.getPropertyValue(`--${state}`);
  context.lineWidth = 2;
  context.beginPath();
  for (const { x, y } of points) SHAPES[state](context, x, y);
  if (state === "busy") context.stroke();
  else context.fill();
}

const SHAPES = {
  available: (context, x, y) => circle(context, x, y, 4),
  busy: (context, x, y) => circle(context, x, y, 4),
  on_trip: (context, x, y) => context.rect(x - 4, y - 4, 8, 8),
  silent: (context, x, y) => circle(context, x, y, 2.5),
  unavailable: (context, x, y) => circle(context, x, y, 2),
};

/**
 * A search: its pickup, how many trucks it has, and the circle in which drivers are asked.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {{x: number, y: number}} point
 * @param {number} radius in pixels
 * @param {{trucksFilled: number, totalTrucks: number}} order
 * @param {CSSStyleDeclaration} style
 */
export function drawSearch(context, { x, y }, radius, order, style) {
  context.beginPath();
  circle(context, x, y, radius);
  context.fillStyle = style.getPropertyValue("--wave");
  context.fill();
  context.strokeStyle = style.getPropertyValue("--wave-edge");
  context.lineWidth = 1.5;
  context.stroke();
  context.beginPath();
  context.moveTo(x, y - 8);
  context.lineTo(x + 8, y);
  context.lineTo(x, y + 8);
  context.lineTo(x - 8, y);
  context.closePath();
  context.fillStyle = style.getPropertyValue("--search");
  context.fill();
  context.fillStyle = style.getPropertyValue("--text");
  context.font = "12px system-ui, sans-serif";
  context.fillText(`${order.trucksFilled} of ${order.totalTrucks}`, x + 11, y + 4);
}

function circle(context, x, y, radius) {
  context.moveTo(x + radius, y);
  context.arc(x, y, radius, 0, FULL_TURN);
}
