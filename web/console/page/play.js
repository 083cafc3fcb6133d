/** Play with it: somebody new is a customer and a driver at once. In development only. */

import { CustomerPane } from "./customer.js";
import { DriverPane } from "./driver.js";
import { Simulation } from "./simulation.js";
import { byId } from "./words.js";

const L = window.L;
// The driver waits this far north of the pickup, in degrees: about 2 km.
const AWAY = 0.018;

export class Play {
  /** @param {import("./city.js").City} city */
  constructor(city) {
    this.city = city;
    this.markers = {};
    this.customer = new CustomerPane();
    this.driver = new DriverPane((place) => this.stand(place));
    this.simulation = new Simulation(() => city.showActive());
    this.places = [];
    byId("order-two").addEventListener("click", () => this.order());
    byId("choose-places").addEventListener("click", () => this.choose());
  }

  /** Both come to work; clicks on the map are theirs. */
  async begin() {
    this.city.taken = ({ lat, lng }) => this.click({ latitude: lat, longitude: lng });
    this.simulation.begin();
    this.customer.link.open();
    await this.driver.begin().catch((error) => this.driver.say(error.message));
  }

  /** Both go home. */
  end() {
    this.city.taken = undefined;
    this.markers.truck?.remove();
    this.city.traffic.without = undefined;
    this.simulation.end();
    this.customer.link.close();
    this.driver.link.close();
    this.driver.available(false).catch((error) => this.driver.say(error.message));
  }

  /** The first click is the pickup, the next one the drop, a third one begins anew. */
  click(place) {
    if (this.places.length === 2) this.places = [];
    this.places.push(place);
    if (this.places.length === 1) {
      this.mark("pickup", place);
      this.markers.drop?.remove();
      this.driver.stand({ latitude: place.latitude + AWAY, longitude: place.longitude });
    } else this.mark("drop", place);
    byId("places").textContent = this.places.length === 1 ? "Now click the drop." : "Ready to order.";
    byId("order-two").disabled = this.places.length !== 2;
  }

  /** For whoever does not use a pointer: two places near the middle of the map. */
  choose() {
    const { lat, lng } = this.city.map.getCenter();
    this.places = [];
    this.click({ latitude: lat, longitude: lng });
    this.click({ latitude: lat + 0.03, longitude: lng + 0.04 });
  }

  /** The own truck has a mark with a name, so the traffic leaves it out. */
  stand(place) {
    this.city.traffic.without = this.driver.id;
    this.mark("truck", place);
  }

  async order() {
    byId("order-two").disabled = true;
    await this.customer.order(this.places[0], this.places[1]);
    byId("order-two").disabled = false;
  }

  /** @param {"pickup"|"drop"|"truck"} name */
  mark(name, { latitude, longitude }) {
    this.markers[name]?.remove();
    const icon = L.divIcon({ className: `place ${name}`, html: `<span>${name}</span>`, iconSize: [0, 0] });
    this.markers[name] = L.marker([latitude, longitude], { icon, keyboard: false, interactive: false });
    this.markers[name].addTo(this.city.map);
  }
}
