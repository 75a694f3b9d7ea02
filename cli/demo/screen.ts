/**
 * What the demo shows: lines that scroll by, and in a terminal a panel below them that is always up to date. Without a
 * terminal there are only lines, and now and then one that says how far it is.
 */
import type { Io } from '../io';
import { cut, displayWidth } from '../text';

const REDRAW_MS = 80;
const PLAIN_PROGRESS_MS = 5_000;

export interface Panel {
  /** Drawn whenever it is due; each line is cut to the terminal's width. */
  lines(): string[];
  /** The same in one line, for where there is no terminal. */
  summary(): string;
}

export class Screen {
  private panel: Panel | undefined;
  private drawn = 0;
  private timer: NodeJS.Timeout | undefined;

  constructor(private readonly io: Io) {}

  get isTerminal(): boolean {
    return this.io.out.isTerminal;
  }

  get width(): number {
    return this.io.out.width() ?? 120;
  }

  open(panel: Panel): void {
    this.panel = panel;
    const everyMs = this.isTerminal ? REDRAW_MS : PLAIN_PROGRESS_MS;
    this.timer = setInterval(() => (this.isTerminal ? this.redraw() : this.say(panel.summary())), everyMs);
    this.timer.unref();
    if (this.isTerminal) this.redraw();
  }

  /** Takes the panel away; what scrolled by stays. */
  close(): void {
    if (this.timer) clearInterval(this.timer);
    this.erase();
    this.panel = undefined;
  }

  say(line: string): void {
    if (!this.panel || !this.isTerminal) {
      this.io.out.write(`${line}\n`);
      return;
    }
    this.io.out.write(`${this.eraseCode()}${this.fit(line)}\n${this.draw()}`);
  }

  private redraw(): void {
    this.io.out.write(this.eraseCode() + this.draw());
  }

  private erase(): void {
    if (this.isTerminal && this.drawn > 0) this.io.out.write(this.eraseCode());
    this.drawn = 0;
  }

  /** One line is one line of the terminal, or the panel would be drawn over itself. */
  private fit(line: string): string {
    // oxlint-disable-next-line no-control-regex -- our own colours
    return displayWidth(line) <= this.width ? line : cut(line.replace(/\u001b\[\d+m/g, ''), this.width);
  }

  private eraseCode(): string {
    return this.drawn === 0 ? '' : `\u001b[${this.drawn}A\r\u001b[J`;
  }

  private draw(): string {
    const lines = this.panel?.lines() ?? [];
    this.drawn = lines.length;
    return lines.map((line) => `${this.fit(line)}\n`).join('');
  }
}
