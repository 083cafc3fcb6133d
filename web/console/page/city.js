/** The map: ground, traffic, and how it is looked at. */

import { AreaChips, areasOf } from "./areas.js";
import { ground } from "./ground.js";
import { ops } from "./session.js";
import { Traffic } from "./traffic.js";
import { load } from "./world.js";
import { byId } from "./words.js";

const L = window.L;
const DELHI = [28.6, 77.2];
// A view changes to another area by itself only if there is so much more: two alike must not take turns.
const MUCH_MORE = 1.5;
// More do not expire in the second between two looks.
const NEWEST = 100;

export class City {
  /** @param {(orderId: string) => void} chosen called when somebody clicks on an order */
  constructor(chosen) {
    this.map = L.map("map", { zoomAnimation: false, minZoom: 1, maxZoom: 18 }).setView(DELHI, 10);
    this.map.attributionControl.setPrefix("Leaflet");
    this.map.addLayer(ground());
    this.traffic = new Traffic();
    this.map.addLayer(this.traffic);
    /** Who takes clicks on the map instead. @type {((latlng: any) => void)|undefined} */
    this.taken = undefined;
    this.map.on("click", ({ latlng }) => {
      if (this.taken) return this.taken(latlng);
      const id = this.traffic.orderAt(latlng);
      return id && chosen(id);
    });
    this.chips = new AreaChips((bounds) => this.look(bounds));
    byId("show-all").addEventListener("click", () => this.look(this.traffic.bounds()));
    new ResizeObserver(() => this.map.invalidateSize({ animate: false })).observe(byId("map"));
    // Whoever has moved the map wants to look there.
    this.looked = false;
    this.fitting = false;
    this.map.on("dragstart zoomstart click", () => (this.looked ||= !this.fitting));
  }

  /** @param {{drivers: any[], orders: any[]}} seen */
  show(seen) {
    // Without the ground there is still the grid; the next look tries again.
    this.loaded ??= load().catch(() => (this.loaded = undefined));
    const ended = this.traffic.show(seen);
    if (ended.length) this.ask(ended);
    this.areas = areasOf(this.traffic.active());
    this.chips.show(this.areas);
    if (!this.looked) this.follow();
  }

  /** Asks which of these searches nobody took: an overview has only those that go on. */
  async ask(ended) {
    const { orders } = await ops("GET", `/orders?status=expired&limit=${NEWEST}`).catch(() => ({ orders: [] }));
    const expired = new Set(orders.map(({ id }) => id));
    this.traffic.expire(ended.filter(({ order }) => expired.has(order.id)));
  }

  /** Draws an order with all that belongs to it, and goes there when it is a new one. */
  choose(chosen) {
    const { id } = this.traffic.chosen ?? {};
    this.traffic.choose(chosen);
    if (!chosen?.stops.length || chosen.id === id) return;
    const bounds = L.latLngBounds(chosen.stops.map(({ latitude, longitude }) => [latitude, longitude]));
    if (!this.map.getBounds().contains(bounds)) this.look(bounds);
  }

  /** Moves the map to where most is going on, if that is not in view. */
  follow() {
    const [busiest] = this.areas;
    if (!busiest) return;
    const here = this.at && this.areas.find(({ bounds }) => bounds.intersects(this.at));
    const area = here && here.count * MUCH_MORE >= busiest.count ? here : busiest;
    if (area === here && this.map.getBounds().contains(area.bounds)) return;
    this.at = area.bounds;
    this.fit(area.bounds);
  }

  /** Moves the map to where most is going on, whatever somebody has looked at. */
  showActive() {
    this.looked = false;
    this.at = undefined;
    this.follow();
  }

  /** Moves the map there, where it then stays. @param {any} bounds of Leaflet */
  look(bounds) {
    if (!bounds.isValid()) return;
    this.looked = true;
    this.fit(bounds);
  }

  fit(bounds) {
    this.fitting = true;
    this.map.fitBounds(bounds.pad(0.1), { animate: false, maxZoom: 13 });
    this.fitting = false;
  }
}
