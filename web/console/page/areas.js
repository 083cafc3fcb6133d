/** Where there is activity: points near each other are one area, with a chip that goes there. */

import { nameOf } from "./world.js";
import { byId, element } from "./words.js";

// Points in neighbouring cells of this size (degrees) are of one area.
const CELL = 1;
const MOST = 8;

/**
 * The areas of these points, that with most of them first.
 *
 * @param {{latitude: number, longitude: number}[]} points
 * @returns {{count: number, bounds: any}[]}
 */
export function areasOf(points) {
  const cells = new Map();
  for (const point of points) {
    const key = keyOf(Math.floor(point.latitude / CELL), Math.floor(point.longitude / CELL));
    if (!cells.has(key)) cells.set(key, []);
    cells.get(key).push(point);
  }
  const areas = [];
  while (cells.size) areas.push(areaOf(taken(cells, cells.keys().next().value)));
  return areas.sort((one, other) => other.count - one.count);
}

/** Takes a cell and all that hang together with it. */
function taken(cells, first) {
  const points = [];
  const waiting = [first];
  while (waiting.length) {
    const key = waiting.pop();
    if (!cells.has(key)) continue;
    points.push(...cells.get(key));
    cells.delete(key);
    const [north, east] = key.split(" ").map(Number);
    for (const up of [-1, 0, 1]) for (const right of [-1, 0, 1]) waiting.push(keyOf(north + up, east + right));
  }
  return points;
}

function areaOf(points) {
  return { count: points.length, bounds: window.L.latLngBounds(points.map((point) => [point.latitude, point.longitude])) };
}

function keyOf(north, east) {
  return `${north} ${east}`;
}

export class AreaChips {
  /** @param {(bounds: any) => void} chosen */
  constructor(chosen) {
    this.chosen = chosen;
    this.chips = new Map();
  }

  /** A chip for each; with one area there is nothing to choose. @param {{count: number, bounds: any}[]} areas */
  show(areas) {
    byId("areas").hidden = areas.length < 2;
    const shown = new Map(areas.slice(0, MOST).map((area) => [name(area), area]));
    for (const [called, chip] of this.chips) if (!shown.has(called)) this.remove(called, chip);
    for (const [called, area] of shown) this.chip(called, area);
  }

  remove(called, chip) {
    chip.remove();
    this.chips.delete(called);
  }

  /** One that stays is changed and not replaced: somebody may be about to press it. */
  chip(called, { count, bounds }) {
    let chip = this.chips.get(called);
    if (!chip) {
      chip = element("button", { type: "button", class: "chip" });
      this.chips.set(called, chip);
      byId("areas").append(chip);
    }
    chip.onclick = () => this.chosen(bounds);
    const text = `${called} ${count}`;
    if (chip.textContent !== text) chip.textContent = text;
  }
}

function name({ bounds }) {
  const { lat, lng } = bounds.getCenter();
  return nameOf(lat, lng);
}
