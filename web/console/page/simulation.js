/** The simulated city's button: starts it, stops it, and says how it is doing. In development only. */

import { call } from "./api.js";
import { Polling } from "./polling.js";
import { tokens } from "./session.js";
import { byId, several } from "./words.js";

const SAID = {
  stopped: "200 drivers and a day of orders in ten minutes.",
  starting: "The city wakes up.",
  running: "The city is awake. Its drivers leave your orders to you for 20 s.",
  stopping: "Orders are called off, drivers go home.",
};
// What the next press asks for; in between there is nothing to press.
const NEXT = { stopped: ["Start the city", true], running: ["Stop the city", false] };

export class Simulation {
  /** @param {() => void} awake called when a city that was started here has its drivers on the map */
  constructor(awake) {
    this.awake = awake;
    this.expected = false;
    this.polling = new Polling(
      () => call("GET", "/console/city", tokens().ops),
      (seen) => this.show(seen),
      (error) => this.say(error.message),
    );
    byId("city-button").addEventListener("click", () => this.press());
  }

  begin() {
    this.polling.start();
  }

  end() {
    this.polling.stop();
  }

  async press() {
    const running = byId("city-button").dataset.next === "start";
    byId("city-button").disabled = true;
    this.say(running ? SAID.starting : SAID.stopping);
    this.polling.stop();
    try {
      this.show(await call("PUT", "/console/city", tokens().ops, { running }));
      this.expected = running;
      this.polling.start();
    } catch (error) {
      this.say(error.message);
      byId("city-button").disabled = false;
    }
  }

  /** @param {any} seen the city as the server describes it */
  show(seen) {
    this.say(SAID[seen.state]);
    byId("city-figures").textContent = seen.clock ? figures(seen) : "";
    const [text, start] = NEXT[seen.state] ?? [];
    byId("city-button").disabled = text === undefined;
    if (text) {
      byId("city-button").textContent = text;
      byId("city-button").dataset.next = start ? "start" : "stop";
    }
    if (this.expected && seen.state === "running" && seen.orders) {
      this.expected = false;
      this.awake();
    }
  }

  /** Once each, since it is read aloud. @param {string} text */
  say(text) {
    if (byId("city-news").textContent !== text) byId("city-news").textContent = text;
  }
}

function figures({ clock, drivers, busy, orders, searching, filled }) {
  return `${clock} there: ${several(drivers, "driver")}, ${busy} with a trip; ${several(orders, "order")}, ${searching} searching, ${filled} filled.`;
}
