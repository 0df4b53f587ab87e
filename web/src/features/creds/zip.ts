export type ZipEntry = { name: string; content: string };

/**
 * zip packs text files into one archive, uncompressed: creds are random and would not shrink. Times are left at the
 * format's first (1980), so that the same files make the same archive.
 */
export function zip(entries: readonly ZipEntry[]): Blob {
  const encoder = new TextEncoder();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  const directory: Uint8Array<ArrayBuffer>[] = [];
  let offset = 0;
  for (const entry of entries) {
    const name = encoder.encode(entry.name);
    const content = encoder.encode(entry.content);
    const sum = crc32(content);
    const local = header(30, name, [
      [4, 0x04034b50],
      [2, 20], // version needed
      [2, utf8Names],
      [2, 0], // stored
      [4, firstDate],
      [4, sum],
      [4, content.length],
      [4, content.length],
      [2, name.length],
      [2, 0],
    ]);
    directory.push(
      header(46, name, [
        [4, 0x02014b50],
        [2, 20],
        [2, 20],
        [2, utf8Names],
        [2, 0],
        [4, firstDate],
        [4, sum],
        [4, content.length],
        [4, content.length],
        [2, name.length],
        [2, 0], // extra
        [2, 0], // comment
        [2, 0], // disk
        [2, 0], // internal attributes
        [4, 0], // external attributes
        [4, offset],
      ]),
    );
    parts.push(local, content);
    offset += local.length + content.length;
  }
  const size = directory.reduce((sum, record) => sum + record.length, 0);
  const end = header(22, new Uint8Array(), [
    [4, 0x06054b50],
    [2, 0],
    [2, 0],
    [2, entries.length],
    [2, entries.length],
    [4, size],
    [4, offset],
    [2, 0],
  ]);
  return new Blob([...parts, ...directory, end], { type: "application/zip" });
}

const utf8Names = 0x0800;
const firstDate = 0x00210000;

/** header lays out little-endian fields of 2 or 4 bytes, and a name after them. */
function header(size: number, name: Uint8Array, fields: [width: 2 | 4, value: number][]): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(size + name.length);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [width, value] of fields) {
    if (width === 2) view.setUint16(at, value, true);
    else view.setUint32(at, value, true);
    at += width;
  }
  bytes.set(name, size);
  return bytes;
}

const table = Uint32Array.from({ length: 256 }, (_, index) => {
  let value = index;
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1;
  return value;
});

function crc32(bytes: Uint8Array): number {
  let sum = 0xffffffff;
  for (const byte of bytes) sum = (sum >>> 8) ^ (table[(sum ^ byte) & 0xff] ?? 0);
  return (sum ^ 0xffffffff) >>> 0;
}
