/** Drivers and searches on one canvas over the map. Two thousand elements would be too slow. */

import { drawGrid } from "./ground.js";
import { drawDrivers, drawSearch } from "./marks.js";

const L = window.L;
const STATES = ["unavailable", "silent", "available", "busy", "on_trip"];
// A little longer than the pause between two looks, so that nobody stops between them.
const GLIDE_MS = 1100;
const SPREAD_MS = 2500;
const EARTH_M = 40_075_016.686;
const CLICK_PX = 14;

export const Traffic = L.Layer.extend({
  /** @param {{grid: boolean}} options whether there is no other ground */
  initialize({ grid }) {
    this.grid = grid;
    this.drivers = new Map();
    this.searches = new Map();
    this.moving = 0;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
  },

  onAdd(map) {
    this.canvas = L.DomUtil.create("canvas", "traffic", map.getPanes().overlayPane);
    this.canvas.setAttribute("aria-hidden", "true");
    this.context = this.canvas.getContext("2d");
    map.on("move zoom viewreset resize moveend", this.wake, this);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.wake());
    this.wake();
  },

  /** Takes the map of an overview. @param {{drivers: any[], orders: any[]}} seen */
  show({ drivers, orders }) {
    const now = performance.now();
    this.drivers = new Map(drivers.map((driver) => [driver.id, this.moved(driver, now)]));
    this.searches = new Map(orders.map((order) => [order.id, this.spread(order, now)]));
    this.wake();
  },

  /** A driver on his way from where he is drawn now to where he is. */
  moved(driver, now) {
    const { x, y } = L.CRS.EPSG3857.latLngToPoint(L.latLng(driver.latitude, driver.longitude), 0);
    const before = this.drivers.get(driver.id);
    if (before && before.x === x && before.y === y) return Object.assign(before, { state: driver.state });
    const from = before ? glide(before, now) : { x, y };
    if (before) this.moving = now + GLIDE_MS;
    return { state: driver.state, x, y, from, since: now, still: this.calm.matches };
  },

  /** A search whose circle grows from the wave before to this one. */
  spread(order, now) {
    const before = this.searches.get(order.id);
    if (before && before.km === order.radiusKm) return Object.assign(before, { order });
    this.moving = Math.max(this.moving, now + SPREAD_MS);
    const { latitude, longitude } = order.pickup.coordinates;
    const { x, y } = L.CRS.EPSG3857.latLngToPoint(L.latLng(latitude, longitude), 0);
    const fromKm = before ? radius(before, now) : 0;
    return { order, x, y, latitude, km: order.radiusKm, fromKm, since: now, still: this.calm.matches };
  },

  /** Has the next frame drawn, if none is waiting to be. */
  wake() {
    this.asked ??= requestAnimationFrame((now) => this.draw(now));
  },

  draw(now) {
    this.asked = undefined;
    this.fit();
    const scale = 2 ** this._map.getZoom();
    const origin = this._map.getPixelBounds().min;
    const place = ({ x, y }) => ({ x: x * scale - origin.x, y: y * scale - origin.y });
    const style = getComputedStyle(document.documentElement);
    if (this.grid) drawGrid(this.context, this._map, style);
    for (const search of this.searches.values()) {
      const metresAPixel = (EARTH_M * Math.cos((search.latitude * Math.PI) / 180)) / (256 * scale);
      drawSearch(this.context, place(search), (radius(search, now) * 1000) / metresAPixel, search.order, style);
    }
    const all = [...this.drivers.values()];
    for (const state of STATES) {
      const those = all.filter((driver) => driver.state === state).map((driver) => place(glide(driver, now)));
      drawDrivers(this.context, state, those, style);
    }
    if (now < this.moving) this.wake();
  },

  /** Makes the canvas as large as the map and empties it. */
  fit() {
    const size = this._map.getSize();
    const ratio = window.devicePixelRatio || 1;
    if (this.canvas.width !== size.x * ratio || this.canvas.height !== size.y * ratio) {
      this.canvas.width = size.x * ratio;
      this.canvas.height = size.y * ratio;
      this.canvas.style.width = `${size.x}px`;
      this.canvas.style.height = `${size.y}px`;
    }
    L.DomUtil.setPosition(this.canvas, this._map.containerPointToLayerPoint([0, 0]));
    this.context.setTransform(ratio, 0, 0, ratio, 0, 0);
    this.context.clearRect(0, 0, size.x, size.y);
  },

  /** The order whose pickup is nearest to this point of the map, if it is near. */
  orderAt(latlng) {
    const point = this._map.latLngToContainerPoint(latlng);
    const away = ({ order }) => {
      const { latitude, longitude } = order.pickup.coordinates;
      return this._map.latLngToContainerPoint([latitude, longitude]).distanceTo(point);
    };
    const near = [...this.searches.values()].filter((search) => away(search) < CLICK_PX);
    return near.sort((one, other) => away(one) - away(other))[0]?.order.id;
  },

  /** What holds everything that is shown; not valid if that is nothing. */
  bounds() {
    const points = [...this.drivers.values(), ...this.searches.values()];
    return L.latLngBounds(points.map(({ x, y }) => L.CRS.EPSG3857.pointToLatLng(L.point(x, y), 0)));
  },
});

function share(moving, now, wholeMs) {
  return moving.still ? 1 : Math.min(1, Math.max(0, (now - moving.since) / wholeMs));
}

function glide(driver, now) {
  const done = share(driver, now, GLIDE_MS);
  return {
    x: driver.from.x + (driver.x - driver.from.x) * done,
    y: driver.from.y + (driver.y - driver.from.y) * done,
  };
}

function radius(search, now) {
  const left = 1 - share(search, now, SPREAD_MS);
  return search.km - (search.km - search.fromKm) * left ** 3;
}
