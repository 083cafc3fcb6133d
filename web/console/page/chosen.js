/** The chosen order on the map: its way, who was asked, its trucks and their tracks. */

import { projected } from "./canvas.js";
import { drawLine, drawRing, drawSearch, drawStop } from "./marks.js";

const LETTERS = { PICKUP: "P", DROP: "D" };

/**
 * @typedef {object} Chosen
 * @property {string} id
 * @property {string} status
 * @property {{type: string, latitude: number, longitude: number, x: number, y: number}[]} stops
 * @property {Set<string>} asked drivers whose offer is open
 * @property {Set<string>} trucks drivers who have a truck of it
 * @property {{x: number, y: number}[][]} tracks
 */

/**
 * What the map shows of an order.
 *
 * @param {{order: any, truckRequests: any[], offers: any[]}} found
 * @param {{latitude: number, longitude: number, suspect: boolean}[][]} tracks
 * @returns {Chosen}
 */
export function chosenOf({ order, truckRequests, offers }, tracks) {
  return {
    id: order.id,
    status: order.status,
    // One that waits for placing has no places yet.
    stops: (order.routePoints ?? []).map((point) => ({ ...point, ...at(point) })),
    asked: new Set(offers.filter(({ state }) => state === "open").map(({ driverId }) => driverId)),
    trucks: new Set(truckRequests.filter(({ driver }) => driver).map(({ driver }) => driver.id)),
    tracks: tracks.map((points) => points.filter(({ suspect }) => !suspect).map(at)),
  };
}

/** The way, the tracks and the stops; under the drivers. @param {Chosen} chosen @param {CSSStyleDeclaration} style */
export function drawWay({ context, place }, { status, stops, tracks }, style) {
  const accent = style.getPropertyValue("--accent");
  const points = stops.map(place);
  drawLine(context, points, 2, accent, [6, 6]);
  for (const track of tracks) drawLine(context, track.map(place), 4, style.getPropertyValue("--track"));
  if (status === "expired" && points.length) {
    drawSearch(context, points[0], 16, { name: "expired", chosen: true, text: "expired" }, style);
  }
  let number = 0;
  points.forEach((point, i) => drawStop(context, point, LETTERS[stops[i].type] ?? String((number += 1)), style));
}

/** Rings around who was asked and who drives for it, above the drivers. */
export function drawRings({ context, place }, { asked, trucks }, where, style) {
  for (const [drivers, name, size] of [[asked, "search", 9], [trucks, "accent", 11]]) {
    for (const id of drivers) {
      const point = where(id);
      if (point) drawRing(context, place(point), size, style.getPropertyValue(`--${name}`));
    }
  }
}

function at({ latitude, longitude }) {
  const { x, y } = projected(latitude, longitude);
  return { x, y };
}
