/** An order's audit as sentences: what happened, and of each wave who was asked and how that ended. */

import { distance, several, words } from "./words.js";

const ENDS = {
  open: "has not answered yet",
  accepted: "won a truck",
  declined: "declined",
  taken: "too late: others were first",
  expired: "did not answer in time",
  cancelled: "the order was cancelled",
  given_back: "won a truck and gave it back",
  withdrawn: "went off duty",
};

const SENTENCES = {
  order_placed: () => "Placed; the search began.",
  wave_sent: ({ wave, radiusKm, drivers, driversAsked = drivers.length }) =>
    drivers.length
      ? `Wave ${wave}: asked ${several(driversAsked, "driver")} within ${radiusKm} km.`
      : `Wave ${wave}: nobody new within ${radiusKm} km.`,
  wave_ordered: ({ operator }) => `${operator ?? "An operator"} had the next drivers asked.`,
  no_supply: ({ radiusKm }) => `No driver within ${radiusKm} km; the customer was told.`,
  offer_declined: ({ driverId }) => `${driverId} declined.`,
  offer_withdrawn: ({ driverId }) => `${driverId} went off duty.`,
  truck_assigned: ({ driverId }) => `${driverId} won a truck.`,
  truck_given_back: ({ driverId }) => `${driverId} gave the truck back; the search began anew.`,
  trip_status_changed: ({ driverId, status, ...rest }) => `${driverId}: ${words(status)}.${by(rest)}`,
  truck_taken_off: ({ driverId, operator, reason }) => `${operator} took the truck off ${driverId}; the search began anew: ${reason}`,
  truck_handed_over: ({ driverId, fromDriverId, operator, reason }) => `${operator} handed the trip of ${fromDriverId} over to ${driverId}: ${reason}`,
  trip_closed: ({ driverId, operator, reason }) => `${operator} closed the trip of ${driverId}: ${reason}`,
  driver_put_off_duty: ({ driverId, operator, reason }) => `${operator} put ${driverId} off duty: ${reason}`,
  search_extended: ({ operator, reason }) => `${operator} had the search last longer: ${reason}`,
  expiry_ordered: ({ operator }) => `${operator ?? "An operator"} ended the search.`,
  search_ended: ({ trucksFilled }) => `The search is over with ${several(trucksFilled, "truck")}.`,
  order_expired: () => "Expired: nobody took it.",
  order_cancelled: ({ reason, operator }) => `Cancelled${operator ? ` by ${operator}` : ""}${reason ? `: ${reason}` : ""}.`,
  order_completed: ({ trucks }) => `Completed with ${several(trucks, "truck")}.`,
};

/** Which operator did it, if one did. */
function by({ operator, reason }) {
  return operator ? ` By ${operator}: ${reason}` : "";
}

/**
 * The steps of an order, oldest first.
 *
 * @param {{events: any[], offers: any[]}} story
 * @returns {{at: string, text: string, asked: {text: string, at: string|null, state: string}[]}[]}
 */
export function steps({ events, offers }) {
  const of = new Map(offers.map((offer) => [`${offer.driverId} ${offer.offeredAt}`, offer]));
  return events.map(({ at, type, data }) => ({
    at,
    text: (SENTENCES[type] ?? (() => `${words(type)}.`))(data),
    asked: type === "wave_sent" ? asked(data, at, of, offers) : [],
  }));
}

/** Who was asked in a wave; the event of a large one names the first of them only. */
function asked({ drivers, driversAsked = drivers.length }, at, of, offers) {
  const named = drivers.map((driver) => outcome(driver, at, of, offers));
  const left = driversAsked - drivers.length;
  return left ? [...named, { text: `and ${left} more`, at: null, state: "open" }] : named;
}

/** How it ended with one driver who was asked. */
function outcome({ driverId, distanceKm }, at, of, offers) {
  const offer = of.get(`${driverId} ${at}`) ?? offers.findLast((one) => one.driverId === driverId);
  const state = offer?.state ?? "open";
  return { text: `${driverId}, ${distance(distanceKm)} away: ${ENDS[state]}`, at: offer?.closedAt ?? null, state };
}
