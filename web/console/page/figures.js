/** The figures above the map and below it. */

import { duration } from "./words.js";

/** @param {{counters: any, drivers: Record<string, number>}} overview */
export function showFigures({ counters, drivers }) {
  const shown = {
    ...drivers,
    searching: counters.searching,
    filled: counters.fullyFilled,
    inProgress: counters.inProgress,
    expired: counters.lastHour.expired,
    ordersPerMinute: counters.ordersPerMinute,
    p50: duration(counters.firstOffer.p50Seconds),
    p99: duration(counters.firstOffer.p99Seconds),
  };
  for (const place of document.querySelectorAll("[data-figure]")) {
    const text = String(shown[place.dataset.figure]);
    if (place.textContent !== text) place.textContent = text;
  }
}
