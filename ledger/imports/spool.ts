/** What is read once and needed twice, and may be more than memory should hold. */
import { mkdtemp, open, rm, type FileHandle } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Pieces of bytes in a file without a name, which is gone with the process, however that ends. */
export class Spool implements AsyncDisposable {
  private readonly lengths: number[] = [];

  private constructor(private readonly file: FileHandle) {}

  /** In the folder for temporary files (`TMPDIR`); for nobody else to read. */
  static async open(): Promise<Spool> {
    const folder = await mkdtemp(join(tmpdir(), 'bursar-'));
    try {
      return new Spool(await open(join(folder, 'spool'), 'wx+', 0o600));
    } finally {
      await rm(folder, { recursive: true });
    }
  }

  async write(piece: Buffer): Promise<void> {
    this.lengths.push(piece.length);
    await this.file.appendFile(piece);
  }

  /** All pieces, as they were written. */
  async *pieces(): AsyncGenerator<Buffer> {
    let at = 0;
    for (const length of this.lengths) {
      const { buffer } = await this.file.read(Buffer.allocUnsafe(length), 0, length, at);
      at += length;
      yield buffer;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.file.close();
  }
}
