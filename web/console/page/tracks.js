/** Where the trucks of one order have driven; each look fetches only what is new. */

import { call } from "./api.js";
import { tokens } from "./session.js";

// A hundred trucks are no picture that anybody reads, and a request each.
const MOST = 10;

export class Tracks {
  constructor() {
    /** Points by truck and driver: a truck that was given back has another driver's. @type {Map<string, any[]>} */
    this.known = new Map();
    this.whole = new Set();
  }

  /** The tracks of these trucks that have a driver. @param {any[]} truckRequests @returns {Promise<any[][]>} */
  async of(truckRequests) {
    const driven = truckRequests.filter(({ driver }) => driver).slice(0, MOST);
    return Promise.all(driven.map((truck) => this.track(truck)));
  }

  async track({ id, status, driver }) {
    const key = `${id} ${driver.id}`;
    const points = this.known.get(key) ?? [];
    if (this.whole.has(key)) return points;
    const after = points.length ? `?after=${encodeURIComponent(points.at(-1).at)}` : "";
    // A truck that was given back this moment has no track; the order is shown all the same.
    const found = await call("GET", `/api/v1/trips/${id}/track${after}`, tokens().ops).catch(() => ({ points: [] }));
    points.push(...found.points);
    this.known.set(key, points);
    // The last positions of a trip are saved some seconds after its end, so one more look follows.
    if (status === "completed" && !found.points.length) this.whole.add(key);
    return points;
  }
}
