/** The driver's pane: offers with their countdown, and a trip to drive step by step. */

import { call } from "./api.js";
import { Link } from "./link.js";
import { tokens } from "./session.js";
import { byId, distance, element, words } from "./words.js";

const HIMSELF = {
  name: "Ravi", phone: "+911234567890", vehicleType: "TRUCK", vehicleSubtype: "TATA_ACE", vehicleNumber: "DL 1 AB 1234",
};
// What the button says, what the step is called, and where the truck is after it.
const STEPS = {
  assigned: ["Start to the pickup", "en_route_pickup", 0.5, "pickup"],
  en_route_pickup: ["Arrive at the pickup", "at_pickup", 1, "pickup"],
  at_pickup: ["Load and leave", "in_transit", 0.5, "drop"],
  in_transit: ["Arrive at the drop", "arrived_at_drop", 1, "drop"],
  arrived_at_drop: ["Unload and finish", "completed", 1, "drop"],
};
const LOOK_MS = 250;

export class DriverPane {
  /** @param {(place: {latitude: number, longitude: number}) => void} moved */
  constructor(moved) {
    this.moved = moved;
    /** @type {string|undefined} */
    this.id = undefined;
    this.offers = new Map();
    this.trip = undefined;
    this.link = new Link("driver", (type, data) => this.hear(type, data), (state) => {
      byId("driver-state").textContent = state;
    });
    byId("next-step").addEventListener("click", () => this.drive());
    setInterval(() => this.countDown(), LOOK_MS);
  }

  /** Registers, wants work, and opens the socket. */
  async begin() {
    await call("PUT", "/api/v1/drivers/me", tokens().driver, HIMSELF);
    await this.available(true);
    this.link.open();
  }

  /** @param {boolean} available */
  available(available) {
    return call("PUT", "/api/v1/drivers/me/availability", tokens().driver, { available });
  }

  hear(type, data) {
    this[`on_${type}`]?.(data);
    this.draw();
  }

  on_connected({ driverId, openBroadcasts, currentTrip }) {
    this.id = driverId;
    this.offers = new Map(openBroadcasts.map((offer) => [offer.orderId, offer]));
    this.trip = currentTrip ?? undefined;
    if (this.at) this.stand(this.at);
  }

  on_new_broadcast(offer) {
    this.offers.set(offer.orderId, offer);
    this.say("An order near you.");
  }

  on_trip_assigned(trip) {
    this.trip = trip;
    this.offers.clear();
    this.say("The truck is yours.");
  }

  on_accept_confirmation({ orderId, result, code }) {
    this.offers.delete(orderId);
    if (result === "refused") this.say(`Refused: ${words(code.toLowerCase())}.`);
  }

  on_trip_confirmation({ status, result, code }) {
    if (result === "refused") this.say(`Refused: ${words(code.toLowerCase())}.`);
    else this.arrive(status);
  }

  on_request_no_longer_available({ orderId }) {
    if (this.offers.delete(orderId)) this.say("The offer is closed.");
  }

  on_order_expired({ orderId }) {
    if (this.offers.delete(orderId)) this.say("The time is over.");
  }

  on_order_cancelled({ orderId }) {
    this.offers.delete(orderId);
    if (this.trip?.orderId === orderId) this.trip = undefined;
    this.say("The customer has called the order off.");
  }

  on_error({ message }) {
    this.say(message);
  }

  /** Is at this place from now on. @param {{latitude: number, longitude: number}} place */
  stand(place) {
    this.at = place;
    this.moved(place);
    this.link.send("update_location", place);
  }

  drive() {
    const [, status] = STEPS[this.trip.status];
    this.tell("update_trip_status", { truckRequestId: this.trip.truckRequestId, status });
  }

  /** Sends what somebody has pressed; whether that could be done. */
  tell(type, data) {
    const sent = this.link.send(type, data);
    if (!sent) this.say("Not connected: press again in a moment.");
    return sent;
  }

  /** The step is made: the truck is where that step ends. */
  arrive(status) {
    const [, , share, goal] = STEPS[this.trip.status];
    const { latitude, longitude } = this.trip[goal].coordinates;
    this.stand({
      latitude: this.at.latitude + (latitude - this.at.latitude) * share,
      longitude: this.at.longitude + (longitude - this.at.longitude) * share,
    });
    this.say(`Trip: ${words(status)}.`);
    this.trip = status === "completed" ? undefined : { ...this.trip, status };
  }

  draw() {
    this.drawOffers();
    byId("next-step").hidden = !this.trip;
    if (this.trip) byId("next-step").textContent = STEPS[this.trip.status][0];
    this.countDown();
  }

  /** A card that stays is left alone: one that is replaced while somebody presses it swallows the press. */
  drawOffers() {
    const list = byId("offers");
    const offers = new Map([...this.offers.values()].map((offer) => [keyOf(offer), offer]));
    for (const card of [...list.children]) {
      if (!offers.delete(card.dataset.offer)) card.remove();
    }
    list.append(...[...offers.values()].map((offer) => this.card(offer)));
  }

  card(offer) {
    const { orderId, truckRequestId, pickupDistanceKm, farePerTruck, expiresAt } = offer;
    const accept = element("button", { type: "button", class: "primary" }, "Accept");
    const decline = element("button", { type: "button" }, "Decline");
    accept.addEventListener("click", () => {
      if (this.tell("accept_broadcast", { orderId, truckRequestId })) this.say("You asked for the truck.");
    });
    decline.addEventListener("click", () => {
      if (this.tell("decline_broadcast", { orderId })) this.offers.delete(orderId);
      this.draw();
    });
    return element(
      "li", { "data-offer": keyOf(offer) },
      element("p", {}, `${distance(pickupDistanceKm)} to the pickup, ₹${farePerTruck}, `,
        element("strong", { "data-until": expiresAt })),
      element("div", { class: "bar" }, accept, decline),
    );
  }

  countDown() {
    for (const place of byId("offers").querySelectorAll("[data-until]")) {
      const left = Math.max(0, Math.ceil((Date.parse(place.dataset.until) - Date.now()) / 1000));
      place.textContent = `${left} s left`;
    }
  }

  /** @param {string} text */
  say(text) {
    byId("driver-news").textContent = text;
  }
}

/** The same order may be offered anew, with another end. */
function keyOf({ orderId, expiresAt }) {
  return `${orderId} ${expiresAt}`;
}
