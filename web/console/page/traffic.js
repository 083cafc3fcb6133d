/** Drivers and searches on one canvas over the map. Two thousand elements would be too slow. */

import { canvasIn, cleared, projected } from "./canvas.js";
import { drawRings, drawWay } from "./chosen.js";
import { drawDrivers, drawSearch } from "./marks.js";

const L = window.L;
const STATES = ["unavailable", "silent", "available", "busy", "on_trip"];
// So short that a position is drawn within 1.5 s of its report, with a look every second.
const GLIDE_MS = 250;
const SPREAD_MS = 2500;
const EARTH_M = 40_075_016.686;
const CLICK_PX = 14;
// More figures beside the pickups cover each other, and so do a city's few from far.
const MOST_LABELS = 15;
const LABELS_FROM_ZOOM = 9;
// A driver who was there so long ago is elsewhere now; who is off duty that long is of no concern.
const STALE_MS = 10 * 60_000;
const GONE_MS = 24 * 3600_000;
const EXPIRED_MS = 20_000;
const WORKING = new Set(["available", "busy", "on_trip"]);

export const Traffic = L.Layer.extend({
  initialize() {
    this.drivers = new Map();
    this.searches = new Map();
    /** Searches that nobody took, for a while after their end. */
    this.expired = new Map();
    this.moving = 0;
    this.calm = matchMedia("(prefers-reduced-motion: reduce)");
    /** Who is drawn by somebody else. @type {string|undefined} */
    this.without = undefined;
    /** The order that is looked at. @type {import("./chosen.js").Chosen|undefined} */
    this.chosen = undefined;
  },

  onAdd(map) {
    this.canvas = canvasIn(map.getPanes().overlayPane, "traffic");
    map.on("move zoom viewreset resize moveend", this.wake, this);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.wake());
    this.wake();
  },

  /**
   * Takes the map of an overview; returns the searches that are not in it any more.
   *
   * @param {{drivers: any[], orders: any[]}} seen
   */
  show({ drivers, orders }) {
    const now = performance.now();
    const before = this.searches;
    const shown = drivers.filter((driver) => driver.state !== "unavailable" || !(age(driver) > GONE_MS));
    this.drivers = new Map(shown.map((driver) => [driver.id, this.moved(driver, now)]));
    this.searches = new Map(orders.map((order) => [order.id, this.spread(order, now)]));
    for (const [id, { until }] of this.expired) if (until < now) this.expired.delete(id);
    this.wake();
    return [...before.values()].filter(({ order }) => !this.searches.has(order.id));
  },

  /** Shows for a while where nobody took an order. */
  expire(searches) {
    const until = performance.now() + EXPIRED_MS;
    for (const search of searches) this.expired.set(search.order.id, { ...search, until });
    this.wake();
  },

  /** Shows an order with all that belongs to it, or none. @param {import("./chosen.js").Chosen|undefined} chosen */
  choose(chosen) {
    this.chosen = chosen;
    this.wake();
  },

  /** A driver on the way from where they are drawn now to where they are. */
  moved(driver, now) {
    const { latitude, longitude, state } = driver;
    const { x, y } = projected(latitude, longitude);
    const before = this.drivers.get(driver.id);
    const seen = { latitude, longitude, state, stale: age(driver) > STALE_MS };
    if (before && before.x === x && before.y === y) return Object.assign(before, seen);
    const from = before ? glide(before, now) : { x, y };
    if (before) this.moving = Math.max(this.moving, now + GLIDE_MS);
    return { ...seen, x, y, from, since: now, still: this.calm.matches };
  },

  /** A search whose circle grows from the wave before to this one. */
  spread(order, now) {
    const before = this.searches.get(order.id);
    if (before && before.km === order.radiusKm) return Object.assign(before, { order });
    this.moving = Math.max(this.moving, now + SPREAD_MS);
    const { latitude, longitude } = order.pickup.coordinates;
    const { x, y } = projected(latitude, longitude);
    const fromKm = before ? radius(before, now) : 0;
    return { order, x, y, latitude, longitude, km: order.radiusKm, fromKm, since: now, still: this.calm.matches };
  },

  /** Has the next frame drawn, if none is waiting to be. */
  wake() {
    this.asked ??= requestAnimationFrame((now) => this.draw(now));
  },

  draw(now) {
    this.asked = undefined;
    const view = cleared(this.canvas, this._map);
    const style = getComputedStyle(document.documentElement);
    for (const search of this.expired.values()) this.drawSearch(view, search, now, style, "expired");
    for (const search of this.searches.values()) this.drawSearch(view, search, now, style, "search");
    if (this.chosen) drawWay(view, this.chosen, style);
    const all = [...this.drivers].filter(([id]) => id !== this.without);
    for (const stale of [true, false]) {
      for (const state of STATES) {
        const those = all.filter(([, driver]) => driver.state === state && driver.stale === stale);
        drawDrivers(view.context, state, those.map(([, driver]) => view.place(glide(driver, now))), style, stale);
      }
    }
    if (this.chosen) drawRings(view, this.chosen, (id) => this.drivers.has(id) && glide(this.drivers.get(id), now), style);
    if (now < this.moving) this.wake();
  },

  drawSearch({ context, scale, place }, search, now, style, name) {
    const metresAPixel = (EARTH_M * Math.cos((search.latitude * Math.PI) / 180)) / (256 * scale);
    const { id, trucksFilled, totalTrucks } = search.order;
    const chosen = id === this.chosen?.id;
    const labelled = this.searches.size <= MOST_LABELS && this._map.getZoom() >= LABELS_FROM_ZOOM;
    const text = chosen || labelled ? `${trucksFilled} of ${totalTrucks}` : "";
    drawSearch(context, place(search), (radius(search, now) * 1000) / metresAPixel, { name, chosen, text }, style);
  },

  /** The order whose pickup is nearest to this point of the map, if it is near. */
  orderAt(latlng) {
    const point = this._map.latLngToContainerPoint(latlng);
    const away = ({ order }) => {
      const { latitude, longitude } = order.pickup.coordinates;
      return this._map.latLngToContainerPoint([latitude, longitude]).distanceTo(point);
    };
    const near = [...this.searches.values(), ...this.expired.values()].filter((search) => away(search) < CLICK_PX);
    return near.sort((one, other) => away(one) - away(other))[0]?.order.id;
  },

  /** Where something goes on: searches and working drivers; where everybody is, if there are none. */
  active() {
    const working = [...this.drivers.values()].filter(({ state, stale }) => WORKING.has(state) && !stale);
    const active = [...working, ...this.searches.values()];
    return active.length ? active : [...this.drivers.values()];
  },

  /** What holds everything that is shown; not valid if that is nothing. */
  bounds() {
    const points = [...this.drivers.values(), ...this.searches.values()];
    return L.latLngBounds(points.map(({ latitude, longitude }) => [latitude, longitude]));
  },
});

/** How long ago a driver was there, in milliseconds. */
function age({ at }) {
  return Date.now() - Date.parse(at);
}

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
