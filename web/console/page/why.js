/** Why nobody takes an order: who is near its pickup now, and why each would be left out. */

import { ops } from "./session.js";
import { byId, element, several } from "./words.js";

const REASONS = {
  askedAlready: "asked already",
  busy: "on a trip",
  silent: "silent",
  offDuty: "off duty",
  otherVehicle: "with another vehicle",
};

export class Why {
  constructor() {
    this.id = "";
    byId("why").addEventListener("click", () => this.ask());
    byId("order").addEventListener("drawn", ({ detail: { order, truckRequests } }) => {
      if (order.id !== this.id) byId("why-answer").replaceChildren();
      this.id = order.id;
      byId("why").disabled = !truckRequests.some(({ status }) => status === "searching" || status === "expired");
    });
  }

  async ask() {
    const id = this.id;
    const said = await ops("GET", `/orders/${id}/nearby`).then(({ nearbyNow }) => lines(nearbyNow), ({ message }) => [message]);
    if (id === this.id) byId("why-answer").replaceChildren(...said.map((line) => element("li", {}, line)));
  }
}

/** @returns {string[]} */
function lines({ summary, waves }) {
  return [`Now: ${summary}.`, ...waves.map(({ radiusKm, free, leftOut }) => {
    const others = Object.entries(REASONS).filter(([why]) => leftOut[why]).map(([why, name]) => `${leftOut[why]} ${name}`);
    return `Within ${radiusKm} km: ${several(free, "driver")} to ask; left out: ${others.join(", ") || "nobody"}.`;
  })];
}
