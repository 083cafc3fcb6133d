/** A canvas that covers the map, in the pane of a layer of Leaflet's. */

const L = window.L;

/** @param {any} pane of Leaflet @param {string} name */
export function canvasIn(pane, name) {
  const canvas = L.DomUtil.create("canvas", name, pane);
  canvas.setAttribute("aria-hidden", "true");
  return canvas;
}

/**
 * Makes the canvas as large as the map, empties it, and says where a point of zoom 0 stands on it.
 *
 * @param {HTMLCanvasElement} canvas
 * @param {any} map of Leaflet
 */
export function cleared(canvas, map) {
  const size = map.getSize();
  const ratio = window.devicePixelRatio || 1;
  if (canvas.width !== size.x * ratio || canvas.height !== size.y * ratio) {
    canvas.width = size.x * ratio;
    canvas.height = size.y * ratio;
    canvas.style.width = `${size.x}px`;
    canvas.style.height = `${size.y}px`;
  }
  L.DomUtil.setPosition(canvas, map.containerPointToLayerPoint([0, 0]));
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, size.x, size.y);
  const scale = 2 ** map.getZoom();
  const origin = map.getPixelBounds().min;
  const place = ({ x, y }) => ({ x: x * scale - origin.x, y: y * scale - origin.y });
  return { context, scale, origin, size, place };
}

/** A point of the map's projection at zoom 0. @param {number} latitude @param {number} longitude */
export function projected(latitude, longitude) {
  return L.CRS.EPSG3857.latLngToPoint(L.latLng(latitude, longitude), 0);
}
