/** A grid of round degrees, which says where a view is that has no place in it. */

const STEPS = [30, 10, 5, 2, 1, 0.5, 0.2, 0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001];
const LINE_APART_PX = 90;
// Leaflet's zoom buttons lie over the upper left corner; no name is drawn under them.
const BUTTONS_PX = 95;

/**
 * A grid of round degrees over the whole canvas, named at its left and lower edge.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {any} map of Leaflet
 * @param {CSSStyleDeclaration} style
 */
export function drawGrid(context, map, style) {
  context.strokeStyle = style.getPropertyValue("--grid");
  context.fillStyle = style.getPropertyValue("--grid-text");
  context.font = "11px system-ui, sans-serif";
  context.lineWidth = 1;
  const size = map.getSize();
  const [west, east] = [map.getBounds().getWest(), map.getBounds().getEast()];
  const [south, north] = [map.getBounds().getSouth(), map.getBounds().getNorth()];
  const step = stepOf(map.getZoom());
  for (const degree of multiples(west, east, step)) {
    const { x } = map.latLngToContainerPoint([south, degree]);
    line(context, x, 0, x, size.y);
    context.fillText(named(degree, "E", "W", step), x + 4, size.y - 6);
  }
  for (const degree of multiples(south, north, step)) {
    const { y } = map.latLngToContainerPoint([degree, west]);
    line(context, 0, y, size.x, y);
    if (y > BUTTONS_PX) context.fillText(named(degree, "N", "S", step), 4, y - 4);
  }
}

/** The smallest step whose lines are not crowded at this zoom. @param {number} zoom */
function stepOf(zoom) {
  const pixelsADegree = (256 * 2 ** zoom) / 360;
  return STEPS.findLast((step) => step * pixelsADegree >= LINE_APART_PX) ?? STEPS[0];
}

/** The multiples of a step in a range. */
function multiples(from, to, step) {
  const first = Math.ceil(from / step);
  const count = Math.max(0, Math.floor(to / step) - first + 1);
  return Array.from({ length: count }, (_, number) => (first + number) * step);
}

function named(degree, positive, negative, step) {
  const digits = Math.max(0, Math.ceil(-Math.log10(step)));
  return `${Math.abs(degree).toFixed(digits)}°${degree < 0 ? negative : positive}`;
}

function line(context, x1, y1, x2, y2) {
  context.beginPath();
  context.moveTo(x1, y1);
  context.lineTo(x2, y2);
  context.stroke();
}
