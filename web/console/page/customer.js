/** The customer's pane: orders two trucks, hears what becomes of them, calls the order off. */

import { call } from "./api.js";
import { Link } from "./link.js";
import { tokens } from "./session.js";
import { byId, clock, element, several, words } from "./words.js";

const EARTH_KM = 6371;
const TOLD = {
  truck_confirmed: ({ driver, trucksFilled, totalTrucks }) =>
    `${driver.name} comes with ${driver.vehicleNumber}: ${trucksFilled} of ${totalTrucks} trucks.`,
  assignment_status_changed: ({ status }) => `A truck: ${words(status)}.`,
  broadcast_expired: ({ trucksFilled }) => `The search is over with ${several(trucksFilled, "truck")}.`,
  order_expired: () => "The search is over; nobody took the order.",
  order_no_supply: () => "No driver is in reach so far.",
  error: ({ message }) => message,
};

export class CustomerPane {
  constructor() {
    this.link = new Link("customer", (type, data) => this.hear(type, data), (state) => {
      byId("customer-state").textContent = state;
    });
    byId("cancel-order").addEventListener("click", () => this.cancel());
  }

  hear(type, data) {
    if (type === "location_updated") byId("truck-seen").textContent = `Your truck was seen at ${where(data)}.`;
    if (type === "connected") this.keep(data.activeOrder?.order);
    if (TOLD[type]) this.tell(TOLD[type](data));
  }

  /** @param {{latitude: number, longitude: number}} pickup @param {{latitude: number, longitude: number}} drop */
  async order(pickup, drop) {
    const wish = {
      pickup: { ...pickup, address: "where you clicked first" },
      drop: { ...drop, address: "where you clicked next" },
      distanceKm: Math.round(kilometres(pickup, drop) * 10) / 10,
      vehicleRequirements: [{ vehicleType: "TRUCK", vehicleSubtype: "TATA_ACE", quantity: 2, pricePerTruck: 500 }],
    };
    const found = await this.ask("POST", "/api/v1/orders", wish);
    if (!found) return;
    this.keep(found.order);
    this.tell("Two trucks are ordered; drivers are being asked.");
  }

  async cancel() {
    const found = await this.ask("POST", `/api/v1/orders/${this.id}/cancel`, { reason: "only playing" });
    if (!found) return;
    this.keep(undefined);
    this.tell("The order is called off.");
  }

  /** Sends it as the customer; says why, and returns nothing, if that fails. */
  async ask(method, path, body) {
    try {
      return await call(method, path, tokens().customer, body);
    } catch (error) {
      this.tell(error.message);
      return undefined;
    }
  }

  keep(order) {
    this.id = order?.id;
    byId("cancel-order").disabled = !order;
  }

  /** @param {string} text */
  tell(text) {
    const now = new Date().toISOString();
    byId("customer-news").prepend(element("li", {}, element("time", { datetime: now }, clock(now)), ` ${text}`));
  }
}

function where({ latitude, longitude }) {
  return `${latitude.toFixed(3)}, ${longitude.toFixed(3)}`;
}

function kilometres(one, other) {
  const radians = (degrees) => (degrees * Math.PI) / 180;
  const north = radians(other.latitude - one.latitude);
  const east = radians(other.longitude - one.longitude) * Math.cos(radians(one.latitude));
  return EARTH_KM * Math.hypot(north, east);
}
