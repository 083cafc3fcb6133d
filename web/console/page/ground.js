/** What lies under the traffic: tiles where a server of tiles is configured, else a map of our own. */

import { canvasIn, cleared } from "./canvas.js";
import { drawGrid } from "./grid.js";
import { bordersOf, landOf, placesIn } from "./world.js";

const L = window.L;
const PLACE_PX = 12;

/** The layer of tiles, or without a server of them our own map. */
export function ground() {
  const { tileUrl, tileAttribution } = document.body.dataset;
  if (!tileUrl) return new Ground();
  // Leaflet takes HTML here, we take text.
  return L.tileLayer(tileUrl, { attribution: new Option(tileAttribution).innerHTML, maxZoom: 18 });
}

const Ground = L.Layer.extend({
  options: { attribution: "Natural Earth, GeoNames" },

  onAdd(map) {
    this.canvas = canvasIn(map.getPanes().tilePane, "ground");
    map.on("move zoom viewreset resize moveend", this.wake, this);
    document.addEventListener("ground", () => this.wake());
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.wake());
    this.wake();
  },

  wake() {
    this.asked ??= requestAnimationFrame(() => this.draw());
  },

  draw() {
    this.asked = undefined;
    const view = cleared(this.canvas, this._map);
    const style = getComputedStyle(document.documentElement);
    drawLand(view, style);
    drawGrid(view.context, this._map, style);
    drawPlaces(view, this._map, style);
  },
});

function drawLand(view, style) {
  const { context } = view;
  trace(view, landOf());
  context.fillStyle = style.getPropertyValue("--land");
  context.fill("evenodd");
  context.lineWidth = 1;
  context.strokeStyle = style.getPropertyValue("--coast");
  context.stroke();
  trace(view, bordersOf());
  context.strokeStyle = style.getPropertyValue("--border");
  context.stroke();
}

/** Those of the lines that are in the view, as one path. */
function trace({ context, scale, origin, size }, lines) {
  context.beginPath();
  for (const { points, west, north, east, south } of lines) {
    if (east * scale < origin.x || west * scale > origin.x + size.x) continue;
    if (south * scale < origin.y || north * scale > origin.y + size.y) continue;
    for (let i = 0; i < points.length; i += 2) {
      const [x, y] = [points[i] * scale - origin.x, points[i + 1] * scale - origin.y];
      if (i) context.lineTo(x, y);
      else context.moveTo(x, y);
    }
  }
}

/** Names of places, the largest first; one that would cover another is left out. */
function drawPlaces({ context, size, place }, map, style) {
  const taken = [];
  context.font = `${PLACE_PX}px system-ui, sans-serif`;
  context.fillStyle = style.getPropertyValue("--place");
  for (const town of placesIn(map.getBounds(), map.getZoom())) {
    const { x, y } = place(town);
    const box = { west: x - 4, east: x + 10 + context.measureText(town.name).width, north: y - PLACE_PX, south: y + PLACE_PX };
    if (box.east > size.x || taken.some((other) => overlap(box, other))) continue;
    taken.push(box);
    context.fillRect(x - 1.5, y - 1.5, 3, 3);
    context.fillText(town.name, x + 5, y + 4);
  }
}

function overlap(one, other) {
  return one.west < other.east && other.west < one.east && one.north < other.south && other.north < one.south;
}
