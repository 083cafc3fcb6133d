/** Asks again and again: often while somebody looks, seldom while nobody does, ever less on trouble. */

const VISIBLE_MS = 1000;
const HIDDEN_MS = 15_000;
const LONGEST_MS = 4000;

export class Polling {
  /**
   * @param {() => Promise<any>} ask
   * @param {(answer: any) => void} told
   * @param {(error: Error) => void} failed
   */
  constructor(ask, told, failed) {
    this.ask = ask;
    this.told = told;
    this.failed = failed;
    this.running = false;
    this.failures = 0;
    this.turn = 0;
    document.addEventListener("visibilitychange", () => this.running && this.now());
  }

  start() {
    this.running = true;
    this.failures = 0;
    this.now();
  }

  stop() {
    this.running = false;
    this.turn += 1;
    clearTimeout(this.timer);
  }

  /** Asks at once; whatever an earlier question still brings is not listened to. */
  async now() {
    clearTimeout(this.timer);
    const turn = (this.turn += 1);
    const began = performance.now();
    try {
      const answer = await this.ask();
      if (turn !== this.turn) return;
      this.failures = 0;
      this.told(answer);
    } catch (error) {
      if (turn !== this.turn) return;
      this.failures += 1;
      this.failed(error);
    }
    if (this.running && turn === this.turn) this.timer = setTimeout(() => this.now(), this.pause(performance.now() - began));
  }

  /** How long to wait before the next question, after one that took so long (both in milliseconds). */
  pause(took) {
    const usual = document.hidden ? HIDDEN_MS : VISIBLE_MS;
    // An answer a second; a slow server gets at least half of that to rest.
    if (!this.failures) return Math.max(usual / 2, usual - took);
    return Math.max(document.hidden ? HIDDEN_MS : 0, Math.min(VISIBLE_MS * 2 ** (this.failures - 1), LONGEST_MS));
  }
}
