/** What operators do to an order, a trip or a driver: each confirmed and with a reason. */

import { Refused } from "./api.js";
import { open } from "./links.js";
import { ops } from "./session.js";
import { byId, element, words } from "./words.js";

const UNDER_WAY = ["assigned", "en_route_pickup", "at_pickup", "in_transit", "arrived_at_drop"];
const FINISHED = ["completed", "cancelled", "expired", "rejected"];

/**
 * @typedef {{label: string, text: string, done: string, nothing: string, driver?: boolean}} Act
 * @type {Record<string, Act>}
 */
const ACTS = {
  cancel: {
    label: "Cancel the order",
    text: "It ends with all its trips, loaded ones too. Customer and drivers see the reason.",
    done: "The order is cancelled.",
    nothing: "The order was cancelled already.",
  },
  extend: {
    label: "Search 60 s longer",
    text: "Drivers have 60 s more to accept.",
    done: "The search has 60 s more.",
    nothing: "The search has more than 60 s left; nothing was changed.",
  },
  complete: {
    label: "Complete the trip",
    text: "The trip counts as delivered, wherever it is now. The driver is free.",
    done: "The trip is completed.",
    nothing: "The trip was completed already.",
  },
  close: {
    label: "Close the trip",
    text: "The trip ends without delivery. An order without another truck is cancelled. The driver is free.",
    done: "The trip is closed.",
    nothing: "The trip was closed already.",
  },
  "take-off": {
    label: "Take the truck off",
    text: "The driver loses this truck, and others are asked for 60 s.",
    done: "The truck is searched for again.",
    nothing: "The truck was searched for already.",
  },
  "hand-over": {
    label: "Hand over",
    text: "Another driver of such a vehicle, without a trip, takes this one over. A loaded trip goes on where it is.",
    done: "The trip is handed over.",
    nothing: "The trip was theirs already.",
    driver: true,
  },
  "off-duty": {
    label: "Put off duty",
    text: "No offers until the driver comes back by themselves. A running trip goes on.",
    done: "The driver is off duty.",
    nothing: "The driver was off duty already.",
  },
};

/** The buttons below an order's facts, each time it is drawn. @param {{refresh: () => Promise<void>}} order */
export function offerForOrders(order) {
  byId("order").addEventListener("drawn", ({ detail }) => {
    const trucks = detail.truckRequests.filter(({ driver, status }) => driver && UNDER_WAY.includes(status));
    const shown = JSON.stringify([detail.order.id, detail.order.status, detail.search.searching, trucks]);
    if (byId("order-acts").dataset.shown === shown) return;
    byId("order-acts").dataset.shown = shown;
    const path = `/orders/${detail.order.id}`;
    const target = { path, name: "", result: "order-result", shown: order };
    const acts = [button("extend", target, !detail.search.searching), button("cancel", target, FINISHED.includes(detail.order.status))];
    byId("order-acts").replaceChildren(...acts);
    byId("order-trips").replaceChildren(...trucks.map((truck) => trip(truck, order)));
  });
}

/** The button below a driver's facts. @param {{refresh: () => Promise<void>}} person */
export function offerForDrivers(person) {
  byId("person").addEventListener("drawn", ({ detail: { driverId, name, state, trip: running } }) => {
    const target = { path: `/drivers/${encodeURIComponent(driverId)}`, name, result: "person-result", shown: person };
    // Of a driver with a trip nothing says whether they want more after it.
    byId("person-acts").replaceChildren(button("off-duty", target, state === "offDuty" && !running));
  });
}

function trip({ id, status, driver }, order) {
  const link = element("button", { type: "button", class: "text-link" }, `${driver.name}, ${driver.vehicleNumber}`);
  link.addEventListener("click", () => open("driver", driver.id));
  const target = { path: `/trips/${id}`, name: driver.name, driverId: driver.id, result: "order-result", shown: order };
  const acts = ["complete", "close", "take-off", "hand-over"].map((act) => button(act, target, false));
  return element("li", {}, link, ` ${words(status)}`, element("div", { class: "bar" }, ...acts));
}

/** @typedef {{path: string, name: string, driverId?: string, result: string, shown: {refresh: () => Promise<void>}}} Target */

/** @param {string} act @param {Target} target @param {boolean} disabled */
function button(act, target, disabled) {
  const made = element("button", { type: "button" }, ACTS[act].label);
  if (target.name) made.setAttribute("aria-label", `${ACTS[act].label}: ${target.name}`);
  made.disabled = disabled;
  made.addEventListener("click", () => ask(act, target));
  return made;
}

/** Opens the form; a refusal is shown in it, so that the operator can change what they wrote. */
function ask(act, target) {
  const { label, text, driver } = ACTS[act];
  const dialogue = byId("act");
  byId("act-form").reset();
  byId("act-title").textContent = target.name ? `${label}: ${target.name}?` : `${label}?`;
  byId("act-text").textContent = text;
  byId("act-yes").textContent = label;
  byId("act-error").textContent = "";
  byId("act-driver-field").hidden = !driver;
  byId("act-driver").disabled = !driver;
  byId("act-no").onclick = () => dialogue.close();
  byId("act-form").onsubmit = (event) => {
    event.preventDefault();
    send(act, target);
  };
  dialogue.showModal();
}

async function send(act, target) {
  const reason = byId("act-reason").value.trim();
  // A trip is ended only while it is the driver's whom the operator saw.
  const driverId = ACTS[act].driver ? byId("act-driver").value.trim() : target.driverId;
  byId("act-yes").disabled = true;
  try {
    const { done } = await ops("POST", `${target.path}/${act}`, driverId ? { reason, driverId } : { reason });
    byId("act").close();
    byId(target.result).textContent = done ? ACTS[act].done : ACTS[act].nothing;
    await target.shown.refresh();
  } catch (error) {
    byId("act-error").textContent = error instanceof Refused ? `Refused: ${error.message}` : `${error.message} Try again.`;
  } finally {
    byId("act-yes").disabled = false;
    // The button that was pressed may be gone.
    if (document.activeElement === document.body) byId(target.result).focus();
  }
}
