/** Land, borders and places, from one file of ours: no map needs a network. See ../ground/LICENSE. */

import { projected } from "./canvas.js";

const STEPS_PER_DEGREE = 1000;
const NORTHERNMOST = 85;
// Thousands of people that a place has at least to be named, by zoom.
const LEAST_PEOPLE = [9000, 9000, 9000, 8000, 5000, 2500, 1000, 500, 250, 120, 60, 30];
// The largest place so near (degrees) gives an area its name: Delhi, not the nearest of its quarters.
const NEAR = 0.4;

let world = { land: [], borders: [], places: [] };

/** Fetches the file once; `ground` is heard on the document when it is there. */
export async function load() {
  const { land, borders, places } = await (await fetch("/console/ground.json")).json();
  world = { land: land.map(line), borders: borders.map(line), places: places.map(town) };
  document.dispatchEvent(new Event("ground"));
}

export function landOf() {
  return world.land;
}

export function bordersOf() {
  return world.borders;
}

/** The places that a view has room for, largest first. @param {any} bounds of Leaflet @param {number} zoom */
export function placesIn(bounds, zoom) {
  const least = LEAST_PEOPLE[Math.floor(zoom)] ?? 0;
  return world.places.filter(
    ({ people, latitude, longitude }) => people >= least && bounds.contains([latitude, longitude]),
  );
}

/** What people call the area around a point. @param {number} latitude @param {number} longitude */
export function nameOf(latitude, longitude) {
  const near = world.places.find(
    (place) => Math.abs(place.latitude - latitude) < NEAR && Math.abs(place.longitude - longitude) < NEAR,
  );
  return near?.name ?? `${degrees(latitude, "N", "S")} ${degrees(longitude, "E", "W")}`;
}

function degrees(value, positive, negative) {
  return `${Math.abs(value).toFixed(1)}°${value < 0 ? negative : positive}`;
}

/** A line from its steps, projected, with what it lies within. */
function line(steps) {
  const points = new Float64Array(steps.length);
  const found = { points, west: Infinity, north: Infinity, east: -Infinity, south: -Infinity };
  let [longitude, latitude] = [0, 0];
  for (let i = 0; i < steps.length; i += 2) {
    longitude += steps[i];
    latitude += steps[i + 1];
    const north = Math.min(NORTHERNMOST, Math.max(-NORTHERNMOST, latitude / STEPS_PER_DEGREE));
    const { x, y } = projected(north, longitude / STEPS_PER_DEGREE);
    [points[i], points[i + 1]] = [x, y];
    found.west = Math.min(found.west, x);
    found.east = Math.max(found.east, x);
    found.north = Math.min(found.north, y);
    found.south = Math.max(found.south, y);
  }
  return found;
}

function town([name, latitude, longitude, people]) {
  return { name, latitude, longitude, people, ...pick(projected(latitude, longitude)) };
}

function pick({ x, y }) {
  return { x, y };
}
