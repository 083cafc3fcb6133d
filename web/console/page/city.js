/** The map: ground, traffic, and how it is looked at. */

import { tiles } from "./ground.js";
import { Traffic } from "./traffic.js";
import { byId } from "./words.js";

const L = window.L;
const DELHI = [28.6, 77.2];

export class City {
  /** @param {(orderId: string) => void} chosen called when somebody clicks on an order */
  constructor(chosen) {
    this.map = L.map("map", { zoomAnimation: false, minZoom: 3, maxZoom: 18 }).setView(DELHI, 10);
    this.map.attributionControl.setPrefix("Leaflet");
    const under = tiles();
    if (under) this.map.addLayer(under);
    this.traffic = new Traffic({ grid: !under });
    this.map.addLayer(this.traffic);
    /** Who takes clicks on the map instead. @type {((latlng: any) => void)|undefined} */
    this.taken = undefined;
    this.map.on("click", ({ latlng }) => {
      if (this.taken) return this.taken(latlng);
      const id = this.traffic.orderAt(latlng);
      return id && chosen(id);
    });
    byId("show-all").addEventListener("click", () => this.showAll());
    new ResizeObserver(() => this.map.invalidateSize({ animate: false })).observe(byId("map"));
    this.looked = false;
    // Whoever has moved the map wants to look there.
    this.map.on("dragstart zoomstart click", () => (this.looked = true));
  }

  /** @param {{drivers: any[], orders: any[]}} seen */
  show(seen) {
    this.traffic.show(seen);
    if (!this.looked && (seen.drivers.length || seen.orders.length)) this.showAll();
  }

  /** Moves the map so that everybody is on it. */
  showAll() {
    const bounds = this.traffic.bounds();
    if (!bounds.isValid()) return;
    this.looked = true;
    this.map.fitBounds(bounds.pad(0.1), { animate: false, maxZoom: 13 });
  }
}
