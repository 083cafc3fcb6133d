/** A socket as an app holds it: acknowledges what it hears, connects again when it is cut. */

import { tokens } from "./session.js";

const HEARTBEAT_MS = 20_000;
const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 8000;
// Close codes after which connecting again would not help.
const FINAL = {
  4401: "your hour is over: leave this tab and come back",
  4409: "connected from another window",
};

export class Link {
  /**
   * @param {"customer"|"driver"} role
   * @param {(type: string, data: any) => void} heard each frame once
   * @param {(state: string) => void} changed
   */
  constructor(role, heard, changed) {
    this.role = role;
    this.heard = heard;
    this.changed = changed;
    this.last = 0;
    this.pause = FIRST_PAUSE_MS;
    setInterval(() => this.send("heartbeat", {}), HEARTBEAT_MS);
  }

  /** Opens the socket and keeps it open until `close`. */
  open() {
    this.wanted = true;
    const address = new URL("/api/v1/ws", location.href);
    address.protocol = address.protocol.replace("http", "ws");
    if (this.last) address.searchParams.set("lastEventId", String(this.last));
    // Browsers cannot set a header here; the token goes where it does not end up in logs.
    this.socket = new WebSocket(address, ["bearer", tokens()[this.role]]);
    this.socket.addEventListener("message", ({ data }) => this.take(JSON.parse(data)));
    this.socket.addEventListener("close", ({ code }) => this.closed(code));
  }

  close() {
    this.wanted = false;
    this.socket?.close(1000);
  }

  /** @param {string} type @param {object} data @returns {boolean} whether it could be sent */
  send(type, data) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ type, data }));
    return true;
  }

  /** A frame may come twice; only ids that are new are listened to. */
  take({ type, id, data }) {
    if (type === "connected") {
      this.pause = FIRST_PAUSE_MS;
      this.changed("connected");
    }
    if (type !== "connected" && id <= this.last) return;
    this.last = Math.max(this.last, id);
    this.heard(type, data);
    this.send("broadcast_ack", { id });
  }

  /** @param {number} code */
  closed(code) {
    this.changed(FINAL[code] ?? "not connected");
    if (FINAL[code]) this.wanted = false;
    if (!this.wanted) return;
    setTimeout(() => this.wanted && this.open(), this.pause);
    this.pause = Math.min(this.pause * 2, LONGEST_PAUSE_MS);
  }
}
